"""Draws by integer arithmetic on the device that uses them: each a function of (seed, purpose, step, number).

The numbers are those of SplitMix64, whose n-th output is a mix of key + n · γ: any of them is had without those before
it, by any worker, in any order. Integers are the same bits on each device; what is made of them by logarithm or cosine
is the same but for rounding.

References:
    Fast splittable pseudorandom number generators (Steele, Lea, Flood, 2014).
    A note on the generation of random normal deviates (Box, Muller, 1958).
"""

import math

import torch
from torch import Tensor

from pipeline.basis.draws import draw_seed

__all__ = ["Counter", "below", "share"]


def _signed(word: int) -> int:
    """A word of 64 bits as torch holds it, in an int64."""
    return word - 2**64 if word >= 2**63 else word


_GAMMA = _signed(0x9E3779B97F4A7C15)
_FIRST, _SECOND = _signed(0xBF58476D1CE4E5B9), _signed(0x94D049BB133111EB)
_HALF = 2**32


class Counter:
    """The draws of one purpose.

    Args:
        seed: the study's.
        purpose: what is drawn, for example "train/pairs"; different purposes are independent.

    Example:
        >>> counter = Counter(0, "train/pairs")
        >>> numbers = torch.arange(4)
        >>> first, again = counter.words(5, numbers), counter.words(torch.tensor(5), numbers[2:])
        >>> torch.equal(first[2:], again), torch.equal(first, counter.words(6, numbers))
        (True, False)
    """

    def __init__(self, seed: int, purpose: str) -> None:
        self._key = draw_seed(seed, purpose)

    def words(self, step: int | Tensor, number: Tensor) -> Tensor:
        """64 random bits each, as int64.

        Args:
            step: at least 0; a whole number in a tensor of any shape that broadcasts, where a graph serves all steps.
            number: of the draw within its step, int64, on the device that draws.
        """
        # a Python number would wrap in no int64
        of_step = _mixed(torch.as_tensor(step, device=number.device) * _GAMMA + self._key)
        return _mixed(number * _GAMMA + of_step)

    def normals(self, step: int | Tensor, row: Tensor, num_dims: int) -> Tensor:
        """Draws from N(0, 1) for each row [..., N], in float32 and independent.

        Args:
            step: as of `words`.
            row: numbers of the rows within the step [...], int64, on the device that draws.
            num_dims: N.
        """
        each = (num_dims + 1) // 2  # a word gives two
        column = torch.arange(each, device=row.device)
        words = self.words(step, row[..., None] * each + column)
        radius = (-2 * ((_high(words).float() + 0.5) / _HALF).log()).sqrt()
        angle = (words & (_HALF - 1)).float() * (2 * math.pi / _HALF)
        return torch.cat((radius * angle.cos(), radius * angle.sin()), dim=-1)[..., :num_dims]


def below(word: Tensor, bound: int | Tensor, *, low: bool = False) -> Tensor:
    """A whole number in 0 … bound − 1 from the high half of each word, or the low one: uniform to bound · 2⁻³².

    Args:
        word: of `Counter.words`.
        bound: of each word, at least 1 and below 2³¹.
        low: take the low half, which is independent of the high one.
    """
    half = word & (_HALF - 1) if low else _high(word)
    return half * bound >> 32


def share(word: Tensor) -> Tensor:
    """A number in [0, 1) in float64 from the high half of each word."""
    return _high(word).double() / _HALF


def _mixed(x: Tensor) -> Tensor:
    x = (x ^ _shifted(x, 30)) * _FIRST
    x = (x ^ _shifted(x, 27)) * _SECOND
    return x ^ _shifted(x, 31)


def _shifted(x: Tensor, by: int) -> Tensor:
    """Shifted to the right with zeros: torch's own shift of an int64 repeats the sign."""
    return (x >> by) & ((1 << (64 - by)) - 1)


def _high(word: Tensor) -> Tensor:
    return _shifted(word, 32)
