"""Is T⁻¹ the inverse of T in numbers: the largest error of a latent that went there and back."""

import numpy as np
from numpy.typing import ArrayLike

from pipeline.scores.checks import checked_rows
from pipeline.scores.result import Score

__all__ = ["round_trip"]


def round_trip(latents: ArrayLike, latents_back: ArrayLike) -> Score:
    """`roundtrip/max`: largest absolute error of T⁻¹(T(z)) over the standard deviation of all entries of z.

    At least 0, and 0 for an exact inverse; float32 leaves some 1e-6. The score is defined here. No interval: a largest
    value has none that a resample could give.

    Args:
        latents: z [n, N], all test rows.
        latents_back: T⁻¹(T(z)) [n, N].

    Raises:
        ValueError: if shapes differ, a number is not finite, or all entries of z are equal.
    """
    there, back = checked_rows(latents, "latents"), checked_rows(latents_back, "latents_back")
    if there.shape != back.shape:
        raise ValueError(f"latents_back: found shape {back.shape}; {there.shape} is expected")
    scale = float(there.std())
    if scale == 0:
        raise ValueError("latents: all entries are equal; an error has no scale to be measured by")
    return Score(float(np.abs(back - there).max()) / scale)
