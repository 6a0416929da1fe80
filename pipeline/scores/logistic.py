"""Logistic regression of two classes by Newton's method: what a probe of a binary attribute fits, thousands of times.

The objective and the optimum are those of scikit-learn's `LogisticRegression(C=1.0, class_weight="balanced")`, whose
general machinery costs twenty times as much on a small factor. With 40 attributes a matrix of probes has some ten
thousand fits.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

__all__ = ["binary_logistic"]

_MAX_STEPS = 100
_TOLERANCE = 1e-6  # of the largest gradient, for rows weighted by about 1


def binary_logistic(code: NDArray[np.float64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights [N + 1], the intercept last, that minimise Σ_i s_i log(1 + exp(−y_i (w · x_i + b))) + ½ ‖w‖².

    y is ±1, s weighs both classes equally and has mean 1; the intercept b is not penalised.

    Args:
        code: rows x [n, N].
        truth: class of each row [n]; both occur.
    """
    rows = np.hstack([code, np.ones((len(code), 1))])
    share = truth.mean()
    scale = np.where(truth, 0.5 / share, 0.5 / (1 - share))
    sign = np.where(truth, 1.0, -1.0)
    penalty = np.ones(rows.shape[1])
    penalty[-1] = 0
    weights = np.zeros(rows.shape[1])
    loss = _loss(rows, sign, scale, penalty, weights)
    for _ in range(_MAX_STEPS):
        chance = expit(rows @ weights)
        gradient = rows.T @ (scale * (chance - truth)) + penalty * weights
        if np.abs(gradient).max() < _TOLERANCE:
            break
        hessian = (rows.T * (scale * chance * (1 - chance))) @ rows
        hessian[np.diag_indices_from(hessian)] += penalty + 1e-12  # an intercept on saturated rows has no curvature
        step = np.linalg.solve(hessian, gradient)
        # The loss is convex, so that a shorter step always descends, until rounding is all that is left to gain.
        while (after := _loss(rows, sign, scale, penalty, weights - step)) > loss and np.abs(step).max() > 1e-12:
            step = step / 2
        weights, loss = weights - step, after
    return weights


def _loss(
    rows: NDArray[np.float64],
    sign: NDArray[np.float64],
    scale: NDArray[np.float64],
    penalty: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> float:
    """The objective of `binary_logistic`."""
    return float(scale @ np.logaddexp(0, -sign * (rows @ weights)) + 0.5 * penalty @ weights**2)
