"""Affine coupling: one part of a vector sets shift and scale of the other (Dinh et al., 2017, Eqs. 7 to 8)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from pipeline.flow.config import ACTIVATIONS, FlowConfig

__all__ = ["AffineCoupling"]


class AffineCoupling(nn.Module):
    """y = (x₁, x₂ · exp(s(x₁)) + t(x₁)), where a conditioner gives shift t and log-scale s.

    The log-scale is bounded by a tanh. With a reach r a conditioner reads x₁ / √(1 + (x₁ / r)²), which lies in (−r, r),
    so that shift and log-scale are bounded wherever x is: neither direction grows faster than a constant times |x|, and
    a latent far from all data comes back. Without a reach the shift has no bound, and far out floats have no inverse.
    Under autocast the conditioner alone runs in the lower precision: x, the log-scale and its sum keep x's type.

    Args:
        config: N, and the conditioner's width, depth, activation, kind and initialisation; x₁ has ⌊N/2⌋ dimensions,
            or ⌈N/2⌉ with `swap`.
        swap: condition on the second part and change the first.

    References:
        Density estimation using Real NVP (Dinh, Sohl-Dickstein, Bengio, 2017), section 3.2.
    """

    def __init__(self, config: FlowConfig, *, swap: bool) -> None:
        super().__init__()
        first = config.num_dims // 2
        self.sizes = [first, config.num_dims - first]
        self.swap = swap
        self.log_scale_bound, self.reach = config.log_scale_bound, config.reach
        num_in, num_out = reversed(self.sizes) if swap else self.sizes
        outputs = [2 * num_out] if config.conditioner == "shared" else [num_out, num_out]
        self.conditioners = nn.ModuleList(_conditioner(num_in, size, config) for size in outputs)

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
        if self.reach is not None:
            fixed = fixed * torch.rsqrt(1 + (fixed / self.reach).square())
        outputs = [conditioner(fixed).to(fixed.dtype) for conditioner in self.conditioners]
        loc, raw = outputs if len(outputs) == 2 else outputs[0].chunk(2, dim=1)
        # bound · tanh(raw / bound), as tanh(x / 2) = 2 σ(x) − 1: on a CPU torch's tanh takes 5 times as long
        return loc, 2 * self.log_scale_bound * torch.sigmoid(2 / self.log_scale_bound * raw) - self.log_scale_bound

    def _split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.split(self.sizes, dim=1)
        return (second, first) if self.swap else (first, second)

    def _join(self, fixed: Tensor, moved: Tensor) -> Tensor:
        return torch.cat((moved, fixed) if self.swap else (fixed, moved), dim=1)


def _conditioner(num_in: int, num_out: int, config: FlowConfig) -> nn.Sequential:
    """Fully connected network from [B, num_in] to [B, num_out]."""
    activation = ACTIVATIONS[config.activation]
    sizes = [num_in] + [config.width] * config.depth
    layers: list[nn.Module] = []
    for size_in, size_out in pairwise(sizes):
        layers += [nn.Linear(size_in, size_out), activation()]
    last = nn.Linear(config.width, num_out)
    if config.zero_init:
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    return nn.Sequential(*layers, last)
