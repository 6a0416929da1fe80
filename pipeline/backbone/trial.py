"""Whether a network that a person brings is a function of one image, tried before anything is trained on what it says.

The same images go through it twice, then one alone, and all in another batch. One that drops or draws at random though
it is in eval mode, that takes statistics over a batch, or that was made for a batch of one length, would be studied as
if it were not: what it says of an image in one stage would not be what it says in the next.
"""

from collections.abc import Callable, Mapping
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.errors import InputError, one_line

__all__ = ["HALF", "Forward", "attempt", "require_same_buffers", "require_steady", "trial_rows"]

Result = TypeVar("Result")

Forward = Callable[[Tensor], Mapping[str, Tensor]]
"""From inputs [B, …] to what is compared, a row an input, by the words that a line has for it, such as `its output`."""

HALF = (torch.float16, torch.bfloat16)

_TRIED = 4  # images
_ROUNDING = 1e-3  # of the largest number: kernels differ by the length of a batch, and so does the order of their sums
_ROUNDING_HALF = 5e-2  # where a number has 8 or 11 significant bits


def trial_rows(num: int) -> NDArray[np.intp]:
    """Which of `num` images are tried: a few from all over, as those that stand side by side may look alike."""
    return np.unique(np.linspace(0, num - 1, _TRIED).astype(np.intp))


@torch.no_grad()
def require_steady(forward: Forward, inputs: Tensor, name: str, *, half: bool = False) -> None:
    """Refuse what is not the same for the same image, whatever goes through the network beside it.

    On the CPU two forwards of one batch must agree bit for bit; elsewhere, and between batches of several lengths, to
    .001 of the largest number, or .05 where some of the network computes in half precision.

    Args:
        forward: the network, or a part of it.
        inputs: [B, …], B at least 1.
        name: of the network, for an error.
        half: whether some of it computes in half precision.

    Raises:
        InputError: something differs, has another shape or is no float, or the network does not take such a batch.
    """
    num, rounding = len(inputs), _ROUNDING_HALF if half else _ROUNDING
    whole, again = (attempt(forward, inputs, name) for _ in range(2))
    for what, value in whole.items():
        if not value.is_floating_point():
            raise InputError(f"backbone: '{name}': {what} is {value.dtype}, floats are expected")
        limit = 0 if inputs.device.type == "cpu" else rounding
        if (off := _difference(again[what], value)) > limit:
            raise InputError(
                f"backbone: '{name}' answers the same {num} images differently each time: {what} differs by {off:.2g} "
                "of its largest number between two forwards; it drops or draws at random in eval mode, too, or counts "
                "its calls, and only a function of the image can be studied"
            )
    beside = {"alone": [0], f"in a batch of {num + 1}": [*reversed(range(num)), 0]}
    for words, rows in beside.items():
        for what, value in attempt(forward, inputs[rows], name).items():
            if value.shape != whole[what][rows].shape:
                raise InputError(
                    f"backbone: '{name}': of {len(rows)} images {what} has shape {tuple(value.shape)}, expected is "
                    f"{tuple(whole[what][rows].shape)}, a row an image whatever the batch"
                )
            if (off := _difference(value, whole[what][rows])) > rounding:
                raise InputError(
                    f"backbone: '{name}' answers an image differently beside others: {what} differs by {off:.2g} of "
                    f"its largest number between a batch of {num} and the same image {words}; it takes statistics over "
                    "the batch in eval mode, too, or mixes its rows, and only a function of the image can be studied"
                )


def require_same_buffers(network: nn.Module, before: Mapping[str, Tensor], name: str) -> None:
    """Refuse a network that a forward changes.

    Args:
        network: after some forwards.
        before: clones of its buffers, from before them.
        name: of the network, for an error.
    """
    for key, buffer in network.named_buffers():
        if key not in before or _difference(buffer, before[key]) > 0:
            raise InputError(
                f"backbone: '{name}' changes its buffer '{key}' in a forward, though it is in eval mode; only a "
                "network that stays as it is can be studied"
            )


def attempt(forward: Callable[[Tensor], Result], inputs: Tensor, name: str) -> Result:
    """What a forward gives; that the network does not take a batch of this length is one line."""
    try:
        return forward(inputs)
    except InputError:
        raise
    except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
        raise InputError(
            f"backbone: '{name}' does not take {len(inputs)} inputs at once ({one_line(error, 200)}); any number is "
            "expected, of a torch.export file by dynamic_shapes that name a Dim for the batch"
        ) from None


def _difference(found: Tensor, expected: Tensor) -> float:
    """Largest difference of two tensors, in shares of the largest finite number of the second; of other shapes, ∞."""
    if found.shape != expected.shape:
        return torch.inf
    there, here = found.double(), expected.double()
    same = (there == here) | (there.isnan() & here.isnan())  # infinities, too
    if bool(same.all()):
        return 0.0
    off = torch.where(same, 0.0, (there - here).abs()).nan_to_num(torch.inf).max()
    largest = here[here.isfinite()].abs().max() if bool(here.isfinite().any()) else off
    return float(off / largest) if float(largest) > 0 else torch.inf
