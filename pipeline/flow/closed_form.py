"""The closed form: the best linear T, and the spectra that say how large a factor is. Milliseconds, and no step.

Whiten the latents; then the directions in which the members of a concept's pairs agree most are its factor, and what
no concept takes is the residual. With one concept of classes these are the canonical directions of a linear
discriminant analysis; that pairs alone say what is alike makes it one for any concept.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.basis.layout import Layout

__all__ = ["ClosedForm", "Moments", "closed_form", "spectra"]

_ROUNDS = 20  # of the alternation; two concepts of the default study settle in two
_LEAST = 1e-6  # variance of a whitened direction, in shares of the largest: below it float32 would lose its digits


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


def closed_form(moments: Moments, layout: Layout) -> ClosedForm:
    """The linear T whose factor of a concept correlates most within its pairs.

    z is whitened, S_F is the covariance of its pairs there, and the factor of F is the N_F leading eigenvectors of S_F
    among the directions that no other concept has, one concept after the other until they settle. The residual is the
    rest. Codes of the training rows have mean 0 and covariance 1.

    Args:
        moments: of the training rows.
        layout: the factors, of N dimensions; the concepts in the order of `moments.pairs`.
    """
    whitening, colouring = _whitening(moments.covariance)
    alike = whitening.T @ moments.pairs @ whitening
    sizes = layout.sizes[1:]
    nothing = whitening.new_zeros(len(whitening), 0)
    bases = [nothing for _ in sizes]
    for _ in range(_ROUNDS):
        before = torch.cat([nothing, *bases], dim=1)
        for k, size in enumerate(sizes):
            free = _complement(torch.cat([nothing, *bases[:k], *bases[k + 1 :]], dim=1))
            bases[k] = free @ _descending(free.T @ alike[k] @ free)[1][:, :size]
        if _same_span(before, torch.cat([nothing, *bases], dim=1)):
            break
    concepts = torch.cat([nothing, *bases], dim=1)
    rotation = torch.cat([_complement(concepts), concepts], dim=1)
    matrix, inverse = whitening @ rotation, rotation.T @ colouring
    return ClosedForm(moments.mean, matrix, inverse, float(torch.linalg.slogdet(whitening).logabsdet))


def spectra(moments: Moments) -> Tensor:
    """Correlation of each concept's pairs along the directions of the whitened latents, from the largest [K, N]."""
    whitening, _ = _whitening(moments.covariance)
    return _descending(whitening.T @ moments.pairs @ whitening)[0]


def _whitening(covariance: Tensor) -> tuple[Tensor, Tensor]:
    """W and W⁻¹ with Wᵀ C W = 1, but for directions of hardly any variance, which are not blown up."""
    variance, directions = torch.linalg.eigh(covariance)
    scale = variance.clamp(min=float(variance.max()) * _LEAST).sqrt()
    return directions / scale, (directions * scale).T


def _descending(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues [..., N] from the largest, and their vectors as columns; of each vector the largest entry is above
    0, as its sign is free and machines choose it differently."""
    values, vectors = torch.linalg.eigh(symmetric)
    vectors = vectors.flip(-1)
    largest = vectors.gather(-2, vectors.abs().argmax(dim=-2, keepdim=True))
    return values.flip(-1), vectors * torch.where(largest < 0, -1.0, 1.0)


def _complement(basis: Tensor) -> Tensor:
    """Orthonormal columns [N, N − M] that span what those of `basis` [N, M] do not."""
    num_dims, num = basis.shape
    projector = basis @ basis.T
    return _descending(torch.eye(num_dims, dtype=basis.dtype, device=basis.device) - projector)[1][:, : num_dims - num]


def _same_span(before: Tensor, after: Tensor) -> bool:
    return bool((before @ before.T - after @ after.T).abs().max() < 1e-10)
