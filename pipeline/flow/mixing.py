"""Mixing of dimensions between couplings, a shuffle or a rotation, fixed or learned; log|det| is 0 for each.

`MIXINGS` names them: a mixing that stands there, and by its name in `MIXING_NAMES` of `pipeline.basis.flow_shape`, can
be trained, saved and named in params.yaml.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["MIXINGS", "Exact", "LearnedRotation", "Rotation", "Shuffle", "matmul"]


class Exact(nn.Module):
    """A layer whose buffers move with the module, but stay in float64; `forward` casts them to the input's type.

    A rounded rotation is not orthogonal; and a flow that was moved to float32 and back inverts to float64's precision.
    """

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        exact = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, value in exact.items():
            setattr(self, name, value.to(getattr(self, name).device))
        return self


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


class Rotation(Exact):
    """y = x Q with a fixed orthogonal Q [N, N], uniform over rotations and reflections; log|det| = 0.

    Unlike a shuffle it lets each coupling see every dimension.
    """

    matrix: Tensor

    def __init__(self, num_dims: int, generator: torch.Generator) -> None:
        super().__init__()
        gaussian = torch.randn(num_dims, num_dims, generator=generator, dtype=torch.float64)
        q, r = torch.linalg.qr(gaussian)
        self.register_buffer("matrix", q * r.diagonal().sign())  # the signs make the draw uniform (Mezzadri, 2007)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, N] to (y [B, N], log|det| [B])."""
        return matmul(x, self.matrix), x.new_zeros(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        return matmul(y, self.matrix.T)


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
        return matmul(start, self._turn()), log_abs_det

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        return self.start.inverse(matmul(y, self._turn().T))

    def _turn(self) -> Tensor:
        return torch.matrix_exp(self.skew - self.skew.T)


# name -> what makes one from N and the generator of its draws: orthogonal, with the inverse of `forward` as above
MIXINGS: dict[str, Callable[[int, torch.Generator], nn.Module]] = {
    "shuffle": Shuffle,
    "rotation": Rotation,
    "learned_rotation": LearnedRotation,
}


def matmul(x: Tensor, matrix: Tensor) -> Tensor:
    """x [B, N] · matrix [N, N] in x's type even under autocast: a rotation of rounded numbers has no exact inverse."""
    if not torch.is_autocast_enabled(x.device.type):
        return x @ matrix.to(x.dtype)
    with torch.autocast(x.device.type, enabled=False):
        return x @ matrix.to(x.dtype)
