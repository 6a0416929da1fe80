"""Shape of a flow, and the paper's own as a preset."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["Activation", "Conditioning", "FlowConfig", "Mixing"]

Activation = Literal["silu", "leaky_relu"]

Conditioning = Literal["shared", "split"]

Mixing = Literal["shuffle", "rotation", "learned_rotation"]


@dataclass(frozen=True)
class FlowConfig:
    """Shape of a flow.

    Attributes:
        num_dims: N, at least 2.
        num_blocks: number of blocks.
        width: units in a hidden layer of a conditioner.
        depth: hidden layers of a conditioner.
        conditioner: "shared", one network for shift and log-scale of a coupling, or "split", one for each.
        activation: of the hidden layers, "silu" or "leaky_relu".
        mixing: at the end of a block: "shuffle" (a fixed permutation), "rotation" (a fixed rotation), or
            "learned_rotation".
        log_scale_bound: largest absolute log-scale of a coupling.
        zero_init: whether the last layer of a conditioner starts at zero, so that a coupling starts as the identity.
        seed: of the initial weights and the mixing.

    Raises:
        ValueError: names the attribute, its value and what is accepted.
    """

    num_dims: int
    num_blocks: int = 12
    width: int = 64
    depth: int = 2
    conditioner: Conditioning = "shared"
    activation: Activation = "silu"
    mixing: Mixing = "rotation"
    log_scale_bound: float = 2.0
    zero_init: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("num_dims", 2), ("num_blocks", 1), ("width", 1), ("depth", 1)):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < least:
                raise ValueError(f"flow: {name}: found {getattr(self, name)}, accepted are integers from {least}")
        if not 0 < self.log_scale_bound < math.inf:
            raise ValueError(f"flow: log_scale_bound: found {self.log_scale_bound}, accepted are finite ones above 0")
        for name, known in (("conditioner", Conditioning), ("activation", Activation), ("mixing", Mixing)):
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"flow: {name}: found '{getattr(self, name)}', accepted are {', '.join(get_args(known))}"
                )

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
