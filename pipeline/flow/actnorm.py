"""ActNorm: a scale and a shift for each dimension, initialised from data (Kingma, Dhariwal, 2018, section 3.1)."""

import torch
from torch import Tensor, nn

__all__ = ["ActNorm", "require_rows"]


class ActNorm(nn.Module):
    """y = exp(log_scale) · (x + loc), with loc and log_scale set once so that a first batch has mean 0, variance 1.

    Whether that has happened is a buffer, so that it travels with the weights; using or inverting the layer before is
    an error, not a silent identity.

    Args:
        num_dims: N.

    References:
        Glow: Generative Flow with Invertible 1x1 Convolutions (Kingma and Dhariwal, 2018), section 3.1.
    """

    initialised: Tensor

    def __init__(self, num_dims: int) -> None:
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(num_dims))
        self.log_scale = nn.Parameter(torch.zeros(num_dims))
        self.register_buffer("initialised", torch.tensor(False))
        self.ready = False  # mirror of the buffer: reading a tensor in each forward would stall a GPU and break export
        self.register_load_state_dict_post_hook(_mirror)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Set loc and log_scale from `x` [B, N], B ≥ 2; a constant dimension keeps scale 1.

        Raises:
            RuntimeError: it was done before, or trained weights were loaded, which this would undo.
            ValueError: there are fewer than two rows, or a number is not finite.
        """
        require_rows(x)
        self.start_as_identity()
        std = x.std(dim=0, unbiased=False)
        self.loc.copy_(-x.mean(dim=0))
        self.log_scale.copy_(-torch.where(std > 0, std, torch.ones_like(std)).log())

    def start_as_identity(self) -> None:
        """Leave loc and log_scale at 0, where the layer before gives mean 0 and variance 1 already."""
        if self.ready:
            raise RuntimeError("ActNorm is initialised already: a second time would undo what was trained")
        self.initialised.fill_(True)
        self.ready = True

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, N] to (y [B, N], log|det| [B])."""
        self.require_initialised()
        return self.log_scale.exp() * (x + self.loc), self.log_scale.sum().expand(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        self.require_initialised()
        return y * (-self.log_scale).exp() - self.loc

    def require_initialised(self) -> None:
        """Refuse, with a RuntimeError, to be used before loc and log_scale are set."""
        if not self.ready:
            raise RuntimeError("ActNorm is not initialised: call initialise(batch) once, or load trained weights")


def require_rows(x: Tensor) -> None:
    """Refuse, with a ValueError, rows [B, N] from which nothing can be initialised."""
    if len(x) < 2:
        raise ValueError(f"flow: initialisation needs at least 2 rows, found {len(x)}")
    if not x.isfinite().all():
        raise ValueError("flow: initialisation needs finite numbers, found NaN or infinity")


def _mirror(module: nn.Module, _incompatible_keys: object) -> None:
    assert isinstance(module, ActNorm)
    module.ready = bool(module.initialised)
