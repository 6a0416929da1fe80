import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from pipeline.scores.logistic import binary_logistic


def rows_of(kind: str, num_rows: int, num_dims: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    code = rng.normal(size=(num_rows, num_dims))
    clean = code[:, 0] > (1.5 if kind == "rare" else 0)
    truth = clean if kind in ("separable", "rare") else clean ^ (rng.uniform(size=num_rows) < 0.4)
    if kind == "outlier":
        code[3] = 1e4
    return code, truth


@pytest.mark.parametrize("kind", ["noisy", "separable", "rare", "outlier"])
@pytest.mark.parametrize(("num_rows", "num_dims"), [(200, 1), (300, 20), (40, 60)])
def test_optimum_is_that_of_scikit_learn(kind: str, num_rows: int, num_dims: int) -> None:
    code, truth = rows_of(kind, num_rows, num_dims)
    solver = LogisticRegression(class_weight="balanced", tol=1e-12, max_iter=100_000, solver="newton-cholesky")
    expected = solver.fit(code, truth)
    weights = binary_logistic(code, truth)
    np.testing.assert_allclose(weights[:-1], expected.coef_[0], atol=1e-5)
    assert weights[-1] == pytest.approx(expected.intercept_[0], abs=1e-5)


def test_a_constant_code_says_nothing() -> None:
    weights = binary_logistic(np.zeros((30, 2)), np.arange(30) < 4)
    np.testing.assert_allclose(weights, 0, atol=1e-9)
