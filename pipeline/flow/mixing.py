"""Mixing of dimensions between couplings, a shuffle or a rotation, fixed or learned; log|det| is 0 for each.

`MIXINGS` names them: a mixing that stands there, and by its name in `MIXING_NAMES` of `pipeline.basis.flow_shape`, can
be trained, saved and named in params.yaml.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["MIXINGS", "LearnedRotation", "Rotation", "Shuffle"]


class Shuffle(nn.Module):
    """y = x[:, π] with a fixed permutation π of N dimensions drawn from `generator`; log|det| = 0."""

    order: Tensor
    inverse_order: Tensor

    def __init__(self, num_dims: int, generator: torch.Generator) -> None:
        super().__init__()
        order = torch.randperm(num_dims, generator=generator)
        self.register_buffer("order", order)
        self.register_buffer("inverse_order", torch.argsort(order))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, N] to (y [B, N], log|det| [B])."""
        return x[:, self.order], x.new_zeros(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        return y[:, self.inverse_order]


class Rotation(nn.Module):
    """y = x Q with a fixed orthogonal Q [N, N], uniform over rotations and reflections; log|det| = 0.

    Unlike a shuffle it lets each coupling see every dimension. Q is orthonormalised in float64 and kept there:
    `forward` casts it to the input's type, so that a flow moved to float64 inverts to float64's precision.
    """

    matrix: Tensor

    def __init__(self, num_dims: int, generator: torch.Generator) -> None:
        super().__init__()
        gaussian = torch.randn(num_dims, num_dims, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(gaussian)
        self.register_buffer("matrix", q * r.diagonal().sign())  # the signs make the draw uniform (Mezzadri, 2007)

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        """Move with the module, but stay in float64: a rounded rotation is not orthogonal."""
        matrix = self.matrix
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.matrix = matrix.to(self.matrix.device)
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, N] to (y [B, N], log|det| [B])."""
        return _matmul(x, self.matrix.to(x.dtype)), x.new_zeros(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        return _matmul(y, self.matrix.to(y.dtype).T)


class LearnedRotation(nn.Module):
    """y = x Q exp(S − Sᵀ) with a fixed random orthogonal Q and a learned S [N, N], at first 0; log|det| = 0.

    The exponential of a skew-symmetric matrix is a rotation, whatever S an optimiser steps to (Lezcano-Casado and
    Martínez-Rubio, Cheap orthogonal constraints in neural networks, 2019). It costs N³ a call: for large batches or
    small N.
    """

    def __init__(self, num_dims: int, generator: torch.Generator) -> None:
        super().__init__()
        self.start = Rotation(num_dims, generator)
        self.skew = nn.Parameter(torch.zeros(num_dims, num_dims))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, N] to (y [B, N], log|det| [B])."""
        start, log_abs_det = self.start(x)
        return _matmul(start, self._turn()), log_abs_det

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        return self.start.inverse(_matmul(y, self._turn().T))

    def _turn(self) -> Tensor:
        return torch.matrix_exp(self.skew - self.skew.T)


# name -> what makes one from N and the generator of its draws: a layer like those above, with the inverse of `forward`
MIXINGS: dict[str, Callable[[int, torch.Generator], nn.Module]] = {
    "shuffle": Shuffle,
    "rotation": Rotation,
    "learned_rotation": LearnedRotation,
}


def _matmul(x: Tensor, matrix: Tensor) -> Tensor:
    """x [B, N] · matrix [N, N] in x's type even under autocast: a rotation of rounded numbers has no exact inverse."""
    if not torch.is_autocast_enabled(x.device.type):
        return x @ matrix
    with torch.autocast(x.device.type, enabled=False):
        return x @ matrix
