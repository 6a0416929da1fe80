"""An edit without a donor: a concept is set to a value."""

import torch
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.iin.values import Value, Values
from pipeline.interpretation.edits import Edit, place

__all__ = ["set_to"]


def set_to(values: Values, concept: str, value: Value, seed: int | None = None) -> Edit:
    """Set a concept to a value, without a donor, and leave every other number of a code as it is.

    Args:
        values: of the map.
        concept: which one.
        value: a class by its number or name; a number or numbers of a continuous concept; of a colour also its name.
        seed: each code gets its own draw from what rows of this value have there; None: each gets their middle.

    Raises:
        InputError: the map knows no values of it, or no training row has this one; the line lists those that are.
    """
    if concept not in values:
        known = f"accepted are {', '.join(values)}" if values else "it knows none: train it anew, `dvc repro`"
        raise InputError(f"set: the map knows no values of '{concept}', {known}")
    of_it = values[concept]
    try:
        middle = of_it.middle(value)
    except (ValueError, TypeError):
        raise InputError(
            f"set {concept}: found {value!r}, which no training row has; accepted are {of_it.accepted}"
        ) from None

    def changed(codes: Tensor, layout: Layout) -> Tensor:
        numbers = torch.from_numpy(middle)
        if seed is not None:
            noise = torch.randn(
                len(codes), len(of_it.spread), generator=torch.Generator().manual_seed(seed), dtype=torch.float64
            )
            numbers = numbers + noise @ torch.from_numpy(of_it.spread).T
        return place(concept, numbers)(codes, layout)

    return changed
