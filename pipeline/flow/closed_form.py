"""The closed form: the best linear T, also as a layer, and the spectra that say how large a factor is.

Whiten the latents; then the directions in which the members of a concept's pairs agree most are its factor, and what
no concept takes is the residual. With one concept of classes these are the canonical directions of a linear
discriminant analysis; that pairs alone say what is alike makes it one for any concept. It takes milliseconds.
"""

import math
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.flow.mixing import Exact, matmul

__all__ = ["ClosedForm", "Moments", "Whitening", "closed_form", "spectra", "whiten"]

_ROUNDS = 50  # at most, over all two factors each
_SETTLED = 1e-9  # change of a projector from round to round
_CRAWLS = 0.1  # of the change of the round before: what is won by as little as the next share is among directions
_WON = 1e-6  # that no concept wants, of which a wide layer has hundreds
_LEAST = 1e-6  # variance along a direction of standardised latents, in shares of the largest: below, float32 fails


@dataclass(frozen=True)
class Moments:
    """What the closed form is made of, in float64.

    Attributes:
        mean: of the latents [N].
        covariance: of draws z = mean + scale · ε [N, N], shrunk where rows are few.
        pairs: of each concept the covariance of the members of its pairs, symmetric [K, N, N].
    """

    mean: Tensor
    covariance: Tensor
    pairs: Tensor


@dataclass(frozen=True)
class ClosedForm:
    """A linear map from latents to codes, (z − loc) · matrix, and back, code · inverse + loc; in float64.

    Attributes:
        loc: [N].
        matrix: [N, N].
        inverse: [N, N].
        log_abs_det: of `matrix`.
    """

    loc: Tensor
    matrix: Tensor
    inverse: Tensor
    log_abs_det: float

    def codes(self, z: Tensor) -> Tensor:
        """z̃ [B, N] of latents z [B, N], in the type of z; computed in float64."""
        return ((z.double() - self.loc) @ self.matrix).to(z.dtype)


class Whitening(Exact):
    """y = (x − loc) · matrix, which makes latents white; the identity until `start_as`, and never trained.

    Args:
        num_dims: N.
    """

    loc: Tensor
    matrix: Tensor
    inverse_matrix: Tensor
    log_abs_det: Tensor

    def __init__(self, num_dims: int) -> None:
        super().__init__()
        self.register_buffer("loc", torch.zeros(num_dims, dtype=torch.float64))
        self.register_buffer("matrix", torch.eye(num_dims, dtype=torch.float64))
        self.register_buffer("inverse_matrix", torch.eye(num_dims, dtype=torch.float64))
        self.register_buffer("log_abs_det", torch.zeros((), dtype=torch.float64))

    def start_as(self, form: ClosedForm, turn: Tensor) -> None:
        """Become `form` followed by the orthogonal matrix `turn` [N, N]."""
        self.loc.copy_(form.loc)
        self.matrix.copy_(form.matrix.to(turn.device) @ turn)
        self.inverse_matrix.copy_(turn.T @ form.inverse.to(turn.device))
        self.log_abs_det.fill_(form.log_abs_det)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map x [B, N] to (y [B, N], log|det| [B])."""
        return matmul(x - self.loc.to(x.dtype), self.matrix), self.log_abs_det.to(x.dtype).expand(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        """Map y [B, N] back to x [B, N]."""
        return matmul(y, self.inverse_matrix) + self.loc.to(y.dtype)


def closed_form(moments: Moments, layout: Layout) -> ClosedForm:
    """The linear T whose factors correlate most within the pairs of their concepts.

    z is whitened, S_F is the covariance of the pairs of F there, and of all orthonormal bases U_F of the factors' sizes
    those are taken whose Σ_F trace U_Fᵀ S_F U_F is largest: two factors at a time share what they have between them
    anew, the leading eigenvectors of S_F − S_G to F and the rest to G, until nothing moves, or it crawls on and wins
    nothing. The residual is a factor of S = 0, so that a concept leaves to it what its pairs do not have in common,
    and a factor that is larger than its concept is filled with what no other wants. Codes of the training rows have
    mean 0 and covariance 1.

    Args:
        moments: of the training rows.
        layout: the factors, of N dimensions; the concepts in the order of `moments.pairs`.
    """
    whitening, colouring = whiten(moments.covariance)
    alike = torch.cat([torch.zeros_like(moments.covariance)[None], whitening.T @ moments.pairs @ whitening])
    bases = list(torch.eye(len(whitening), dtype=whitening.dtype, device=whitening.device).split(layout.sizes, dim=1))
    before, change, sum_before = torch.stack([basis @ basis.T for basis in bases]), math.inf, -math.inf
    for _ in range(_ROUNDS):
        for g, f in combinations(range(layout.num_factors), 2):
            both = torch.cat([bases[f], bases[g]], dim=1)
            shared = both @ _descending(both.T @ (alike[f] - alike[g]) @ both)[1]
            bases[f], bases[g] = shared.split([layout.sizes[f], layout.sizes[g]], dim=1)
        now = torch.stack([basis @ basis.T for basis in bases])
        change_before, change = change, float((now - before).abs().max())
        won = (total := float((now * alike).sum())) - sum_before  # Σ_F trace U_Fᵀ S_F U_F
        if change < _SETTLED or (change > _CRAWLS * change_before and won < _WON * abs(total)):
            break
        before, sum_before = now, total
    own = [basis @ _descending(basis.T @ of @ basis)[1] for basis, of in zip(bases, alike, strict=True)]
    rotation = torch.cat(own, dim=1)
    matrix, inverse = whitening @ rotation, rotation.T @ colouring
    return ClosedForm(moments.mean, matrix, inverse, float(torch.linalg.slogdet(whitening).logabsdet))


def spectra(moments: Moments) -> Tensor:
    """Correlation of each concept's pairs along the directions of the whitened latents, from the largest [K, N]."""
    whitening, _ = whiten(moments.covariance)
    values: Tensor = torch.linalg.eigvalsh(whitening.T @ moments.pairs @ whitening)
    return values.flip(-1)


def whiten(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """W and W⁻¹ with Wᵀ C W = 1, but for directions of hardly any variance, which are not blown up, and for dimensions
    that are constant, which keep their scale."""
    std = covariance.diagonal().sqrt()
    unit = torch.where(std > 0, std, 1.0)[:, None]
    variance, directions = torch.linalg.eigh(covariance / unit / unit.T + torch.diag((std == 0).to(std)))
    scale = variance.clamp(min=float(variance.max()) * _LEAST).sqrt()
    return directions / scale / unit, (unit * directions * scale).T


def _descending(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues [..., N] from the largest, and their vectors as columns; of each vector the largest entry is above
    0, as its sign is free and machines choose it differently."""
    values, vectors = torch.linalg.eigh(symmetric)
    vectors = vectors.flip(-1)
    largest = vectors.gather(-2, vectors.abs().argmax(dim=-2, keepdim=True))
    return values.flip(-1), vectors * torch.where(largest < 0, -1.0, 1.0)
