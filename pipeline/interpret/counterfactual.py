"""The smallest move inside one factor that turns a decision, found by the gradient through T⁻¹ and G.

The search is DeepFool (Moosavi-Dezfooli, Fawzi, Frossard, CVPR 2016) in the few dimensions of a factor: it steps to the
border of the class that is the nearest where decisions are taken to be linear, until the decision turns, and then goes
back along the straight line to where it turned. What it finds is a move that does turn the decision; none shorter than
the shortest there is, and seldom much longer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import gammaincinv
from torch import Tensor

__all__ = ["Counterfactuals", "counterfactuals", "reach"]

STEPS = 40
LONGEST_STEP = 0.5  # standard deviations: further away a gradient says little
RIVALS = 5  # classes, the likeliest ones, whose borders are looked at
BEYOND = 1e-3  # of a step, so that it ends behind the border
BEHIND = 2e-3  # of the way, past the border: on it rounding decides
HALVINGS = 12  # of the way, to where the decision turns


@dataclass(frozen=True, eq=False)
class Counterfactuals:
    """Of n codes.

    Attributes:
        codes: moved ones [n, N], whose decision is another; of those that no move turns, as they were.
        length: of the move [n], in standard deviations of the prior; NaN where none was found.
        before: the decision [n].
        after: that of the moved code [n]; where none was found as before.
    """

    codes: Tensor
    length: NDArray[np.float64]
    before: NDArray[np.int64]
    after: NDArray[np.int64]

    @property
    def turned(self) -> NDArray[np.bool_]:
        """Whether a move was found [n]."""
        return np.isfinite(self.length)


def reach(size: int) -> float:
    """How far a move may lead in a factor of `size` dimensions: 99.9 % of two draws from N(0, 1) lie nearer."""
    return float(np.sqrt(2 * 2 * gammaincinv(size / 2, 0.999)))  # half a chi-square is gamma distributed


def counterfactuals(decide: Callable[[Tensor], Tensor], codes: Tensor, dims: slice) -> Counterfactuals:
    """Move codes inside a factor until the decision turns.

    Args:
        decide: from codes [n, N] to logits [n, classes]; it records gradients.
        codes: [n, N].
        dims: the numbers of a code that are the factor's.

    Raises:
        ValueError: the logits have no gradient.
    """
    base = codes.detach()
    logits = decide(base).detach()
    before, limit = logits.argmax(dim=1), reach(dims.stop - dims.start)
    move = torch.zeros_like(base[:, dims])
    searched = torch.ones(len(base), dtype=torch.bool)
    turned = torch.zeros_like(searched)
    for _ in range(STEPS):
        step, logits = _step(decide, _moved(base, dims, move), dims, before)
        turned |= searched & (logits.argmax(dim=1) != before)
        searched &= ~turned & torch.isfinite(step).all(dim=1) & (step.norm(dim=1) > 0)
        if not searched.any():
            break
        further = torch.where(searched[:, None], move + step, move)
        searched &= further.norm(dim=1) <= limit
        move = torch.where(searched[:, None], further, move)
    shortest = _shortest(decide, base, dims, move, before, turned)
    found = _moved(base, dims, torch.where(turned[:, None], shortest[:, None] * move, 0 * move))
    after = torch.where(turned, decide(found).detach().argmax(dim=1), before)
    length = torch.where(turned, shortest * move.norm(dim=1), torch.nan)
    return Counterfactuals(found, length.double().numpy(), before.numpy(), after.numpy())


def _step(decide: Callable[[Tensor], Tensor], codes: Tensor, dims: slice, before: Tensor) -> tuple[Tensor, Tensor]:
    """The step [n, N_F] to the nearest border, as the gradients say; and the logits [n, classes] of these codes."""
    part = codes[:, dims].clone().requires_grad_()
    logits = decide(torch.cat([codes[:, : dims.start], part, codes[:, dims.stop :]], dim=1))
    if not logits.requires_grad:
        raise ValueError("the network's decisions have no gradient")
    own = logits.gather(1, before[:, None])
    others = logits.detach().scatter(1, before[:, None], -torch.inf)
    rivals = others.topk(min(RIVALS, logits.shape[1] - 1), dim=1).indices  # [n, R]
    gaps = own - logits.gather(1, rivals)
    best, nearest = torch.zeros_like(part), torch.full((len(part),), torch.inf)
    for number in range(rivals.shape[1]):
        last = number + 1 == rivals.shape[1]
        slope = torch.autograd.grad(gaps[:, number].sum(), part, retain_graph=not last)[0]
        steepness = slope.norm(dim=1).clamp_min(torch.finfo(slope.dtype).tiny)
        distance = gaps[:, number].detach().clamp_min(0) / steepness
        towards = -slope / steepness[:, None]
        nearer = (distance < nearest) & (slope.norm(dim=1) > 0)
        nearest = torch.where(nearer, distance, nearest)
        best = torch.where(nearer[:, None], towards, best)
    length = (nearest * (1 + BEYOND) + BEYOND).clamp_max(LONGEST_STEP)
    return torch.where(torch.isfinite(nearest)[:, None], length[:, None] * best, 0 * best), logits.detach()


def _shortest(
    decide: Callable[[Tensor], Tensor], base: Tensor, dims: slice, move: Tensor, before: Tensor, turned: Tensor
) -> Tensor:
    """The share of each move [n] that ends just behind where the decision turns."""
    low, high = torch.zeros(len(base)), torch.ones(len(base))
    with torch.no_grad():
        for _ in range(HALVINGS if turned.any() else 0):
            middle = (low + high) / 2
            other = decide(_moved(base, dims, middle[:, None] * move)).argmax(dim=1) != before
            low, high = torch.where(other, low, middle), torch.where(other, middle, high)
    return (high * (1 + BEHIND)).clamp_max(1)


def _moved(base: Tensor, dims: slice, move: Tensor) -> Tensor:
    codes = base.clone()
    codes[:, dims] += move
    return codes
