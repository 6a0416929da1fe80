"""Shape of a flow, and the paper's own as a preset."""

import math
from dataclasses import dataclass, fields
from typing import Literal, get_args

from torch import nn

from pipeline.flow.mixing import MIXINGS

__all__ = ["ACTIVATIONS", "FlowConfig", "FlowShape"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}

Conditioning = Literal["shared", "split"]


@dataclass(frozen=True, kw_only=True)
class FlowShape:
    """What a person chooses of a flow, whatever latents it takes; section `flow` of params.yaml states it, too.

    Attributes:
        num_blocks: number of blocks.
        width: units in a hidden layer of a conditioner.
        depth: hidden layers of a conditioner.
        conditioner: "shared", one network for shift and log-scale of a coupling, or "split", one for each.
        activation: of the hidden layers, a name in `ACTIVATIONS`.
        mixing: at the end of a block, a name in `MIXINGS`.
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
            _require_integer(name, getattr(self, name), least=1)
        if not 0 < self.log_scale_bound < math.inf:
            raise ValueError(f"flow.log_scale_bound: found {self.log_scale_bound}, accepted are finite ones above 0")
        choices = {"conditioner": get_args(Conditioning), "activation": ACTIVATIONS, "mixing": MIXINGS}
        for name, accepted in choices.items():
            if getattr(self, name) not in accepted:
                raise ValueError(f"flow.{name}: found '{getattr(self, name)}', accepted are {', '.join(accepted)}")


@dataclass(frozen=True)
class _Dims:
    """N in a base of its own, as a card names it first and the positional argument of `FlowConfig` is N alone."""

    num_dims: int


@dataclass(frozen=True)
class FlowConfig(FlowShape, _Dims):
    """All that a flow is made from: N, its shape, and the seed of its start.

    Attributes:
        num_dims: N, at least 2.
        seed: of the initial weights and the mixing.

    Raises:
        ValueError: names the attribute, its value and what is accepted.
    """

    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_integer("num_dims", self.num_dims, least=2)

    @classmethod
    def of(cls, shape: FlowShape, num_dims: int, seed: int) -> "FlowConfig":
        """A flow of `shape` for latents of `num_dims` numbers."""
        return cls(num_dims, seed=seed, **{field.name: getattr(shape, field.name) for field in fields(FlowShape)})

    @classmethod
    def paper(cls, num_dims: int, seed: int = 0) -> "FlowConfig":
        """The flow of the paper's released code: 12 blocks, 512 wide, shift and log-scale by networks of their own.

        References:
            A Disentangling Invertible Interpretation Network for Explaining Latent Representations
            (Esser, Rombach, Ommer, CVPR 2020), released code: two hidden layers beyond the first, LeakyReLU, tanh on
            the log-scale, shuffles, and the layers' ordinary initialisation.
        """
        return cls(
            num_dims=num_dims,
            num_blocks=12,
            width=512,
            depth=3,
            conditioner="split",
            activation="leaky_relu",
            mixing="shuffle",
            log_scale_bound=1.0,
            zero_init=False,
            seed=seed,
        )


def _require_integer(name: str, value: object, least: int) -> None:
    if not isinstance(value, int) or value < least:
        raise ValueError(f"flow.{name}: found {value}, accepted are integers from {least}")
