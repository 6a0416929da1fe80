"""What a person chooses of a flow: params.yaml states it, `pipeline.flow` builds it. Here, as it needs no torch."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["ACTIVATION_NAMES", "MIXING_NAMES", "FlowShape", "require_integer"]

ACTIVATION_NAMES = ("silu", "leaky_relu")  # of `pipeline.flow.config.ACTIVATIONS`
MIXING_NAMES = ("shuffle", "rotation", "learned_rotation")  # of `pipeline.flow.mixing.MIXINGS`

Conditioning = Literal["shared", "split"]


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
    zero_init: bool = True

    def __post_init__(self) -> None:
        for name in ("num_blocks", "width", "depth"):
            require_integer(name, getattr(self, name), least=1)
        if not 0 < self.log_scale_bound < math.inf:
            raise ValueError(f"flow.log_scale_bound: found {self.log_scale_bound}, accepted are finite ones above 0")
        choices = {"conditioner": get_args(Conditioning), "activation": ACTIVATION_NAMES, "mixing": MIXING_NAMES}
        for name, accepted in choices.items():
            if getattr(self, name) not in accepted:
                raise ValueError(f"flow.{name}: found '{getattr(self, name)}', accepted are {', '.join(accepted)}")


def require_integer(name: str, value: object, least: int) -> None:
    """Refuse, with a ValueError, what is no integer from `least` on; `name` is an attribute of a flow."""
    if not isinstance(value, int) or value < least:
        raise ValueError(f"flow.{name}: found {value}, accepted are integers from {least}")
