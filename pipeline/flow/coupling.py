"""Affine coupling: one part of a vector sets shift and scale of the other (Dinh et al., 2017, Eqs. 7 to 8)."""

import torch
from torch import Tensor, nn

__all__ = ["AffineCoupling"]


class AffineCoupling(nn.Module):
    """y = (x₁, x₂ · exp(s(x₁)) + t(x₁)), where one conditioner gives shift t and log-scale s.

    The last layer of the conditioner starts at zero, so that the coupling starts as the identity; log_scale is
    bounded by a tanh, so that neither direction can overflow.

    Args:
        num_dims: N, at least 2; x₁ has ⌊N/2⌋ dimensions, or ⌈N/2⌉ with `swap`.
        width: units in a hidden layer of the conditioner.
        depth: number of hidden layers, at least 1.
        log_scale_bound: largest absolute log-scale.
        swap: condition on the second part and change the first.

    References:
        Density estimation using Real NVP (Dinh, Sohl-Dickstein, Bengio, 2017), section 3.2.
    """

    def __init__(self, num_dims: int, width: int, depth: int, log_scale_bound: float, *, swap: bool) -> None:
        super().__init__()
        first = num_dims // 2
        self.sizes = [first, num_dims - first]
        self.swap = swap
        self.log_scale_bound = log_scale_bound
        num_in, num_out = reversed(self.sizes) if swap else self.sizes
        layers: list[nn.Module] = [nn.Linear(num_in, width), nn.SiLU()]
        for _ in range(depth - 1):
            layers += [nn.Linear(width, width), nn.SiLU()]
        last = nn.Linear(width, 2 * num_out)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.conditioner = nn.Sequential(*layers, last)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, N] to (y [B, N], log|det| [B])."""
        fixed, moved = self._split(x)
        loc, log_scale = self._shift_and_scale(fixed)
        return self._join(fixed, moved * log_scale.exp() + loc), log_scale.sum(dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        fixed, moved = self._split(y)
        loc, log_scale = self._shift_and_scale(fixed)
        return self._join(fixed, (moved - loc) * (-log_scale).exp())

    def _shift_and_scale(self, fixed: Tensor) -> tuple[Tensor, Tensor]:
        loc, raw = self.conditioner(fixed).chunk(2, dim=1)
        return loc, self.log_scale_bound * torch.tanh(raw / self.log_scale_bound)

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.split(self.sizes, dim=1)
        return (second, first) if self.swap else (first, second)

    def _join(self, fixed: Tensor, moved: Tensor) -> Tensor:
        return torch.cat((moved, fixed) if self.swap else (fixed, moved), dim=1)
