"""What a person chooses of a flow: params.yaml states it, `pipeline.flow` builds it. Here, as it needs no torch."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["ACTIVATION_NAMES", "MIXING_NAMES", "FlowShape", "require_integer"]

ACTIVATION_NAMES = ("silu", "leaky_relu")  # of `pipeline.flow.config.ACTIVATIONS`
MIXING_NAMES = ("shuffle", "rotation", "learned_rotation")  # of `pipeline.flow.mixing.MIXINGS`

Conditioning = Literal["shared", "split"]
Start = Literal["closed_form", "random"]


@dataclass(frozen=True, kw_only=True)
class FlowShape:
    """What a person chooses of a flow, whatever latents it takes; section `flow` of params.yaml states it, too.

    Attributes:
        num_blocks: number of blocks.
        width: units in a hidden layer of a conditioner.
        depth: hidden layers of a conditioner.
        conditioner: "shared", one network for shift and log-scale of a coupling, or "split", one for each.
        activation: of the hidden layers, one of `ACTIVATION_NAMES`.
        mixing: at the end of a block, one of `MIXING_NAMES`.
        log_scale_bound: largest absolute log-scale of a coupling.
        start: "closed_form", the best linear map followed by blocks that begin as the identity, or "random", blocks
            alone, whose ActNorms begin from data.
        reach: bound of what a conditioner reads of a white number, so that far from all data T stays invertible in
            floats; None: none.
        zero_init: whether the last layer of a conditioner starts at zero, so that a coupling starts as the identity.

    Raises:
        ValueError: names the attribute, its value and what is accepted.
    """

    num_blocks: int = 12
    width: int = 64
    depth: int = 2
    conditioner: Conditioning = "shared"
    activation: str = "silu"
    mixing: str = "rotation"
    log_scale_bound: float = 2.0
    start: Start = "closed_form"
    reach: float | None = 4.0
    zero_init: bool = True

    def __post_init__(self) -> None:
        for name in ("num_blocks", "width", "depth"):
            require_integer(name, getattr(self, name), least=1)
        if not 0 < self.log_scale_bound < math.inf:
            raise ValueError(f"flow.log_scale_bound: found {self.log_scale_bound}, accepted are finite ones above 0")
        if self.reach is not None and not 0 < self.reach < math.inf:
            raise ValueError(f"flow.reach: found {self.reach}, accepted are finite ones above 0, or none")
        choices = {
            "conditioner": get_args(Conditioning),
            "start": get_args(Start),
            "activation": ACTIVATION_NAMES,
            "mixing": MIXING_NAMES,
        }
        for name, accepted in choices.items():
            if getattr(self, name) not in accepted:
                raise ValueError(f"flow.{name}: found '{getattr(self, name)}', accepted are {', '.join(accepted)}")
        if self.start == "closed_form" and not self.zero_init:
            raise ValueError("flow.zero_init: found False, accepted is True where flow.start is closed_form")


def require_integer(name: str, value: object, least: int) -> None:
    """Refuse, with a ValueError, what is no integer from `least` on; `name` is an attribute of a flow."""
    if not isinstance(value, int) or value < least:
        raise ValueError(f"flow.{name}: found {value}, accepted are integers from {least}")
