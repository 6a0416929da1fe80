"""Covariance of rows as scale and correlation, refused where it is singular and a log-determinant would be noise."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["scale_and_correlation"]

_SINGULAR = 1e-10  # smallest eigenvalue of a correlation matrix that a float64 log-determinant can bear


def scale_and_correlation(rows: NDArray[np.float64], name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviations [N] and correlation matrix [N, N] of `rows` [n, N], both with ddof 0.

    Raises:
        ValueError: names `name` and a dimension that is constant, or says that some dimensions determine another, as
            they always do for n ≤ N.
    """
    num_rows, num_dims = rows.shape
    scale = rows.std(axis=0)
    constant = scale <= 1e-12 * np.abs(rows).max(axis=0)
    if constant.any():
        raise ValueError(f"{name}: dimension {int(np.argmax(constant))} is constant over {num_rows} rows")
    standard = (rows - rows.mean(axis=0)) / scale
    correlation = standard.T @ standard / num_rows
    if np.linalg.eigvalsh(correlation)[0] < _SINGULAR:
        raise ValueError(
            f"{name}: the covariance of {num_rows} rows of {num_dims} dimensions is singular; some determine another"
        )
    return scale, correlation
