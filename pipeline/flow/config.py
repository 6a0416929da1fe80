"""All that a flow is made from, and the paper's own as a preset."""

from dataclasses import dataclass, fields

from torch import nn

from pipeline.basis.flow_shape import FlowShape, require_integer

__all__ = ["ACTIVATIONS", "FlowConfig"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "leaky_relu": nn.LeakyReLU}


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
        require_integer("num_dims", self.num_dims, least=2)

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
            start="random",
            reach=None,
            zero_init=False,
            seed=seed,
        )
