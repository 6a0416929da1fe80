import numpy as np
import pytest
from scipy.stats import t as student_t

from pipeline.basis.layout import Layout
from pipeline.scores.fit.density import block_total_correlation

from .codes import LAYOUT, rotation_across, rotation_within

PAIR = Layout.of(("smile",), (1, 1))


def mixed(num_rows: int = 4000, seed: int = 0) -> tuple[np.ndarray, float]:
    """Gaussian codes of a covariance with links across factors, and their true total correlation."""
    rng = np.random.default_rng(seed)
    mix = np.eye(LAYOUT.num_dims) + 0.2 * rng.normal(size=(LAYOUT.num_dims, LAYOUT.num_dims))
    covariance = mix @ mix.T
    within = sum(np.log(np.linalg.det(covariance[where, where])) for where in LAYOUT.slices)
    return rng.normal(size=(num_rows, LAYOUT.num_dims)) @ mix.T, 0.5 * (within - np.log(np.linalg.det(covariance)))


@pytest.mark.parametrize("rho", [0.0, 0.5, -0.9])
def test_two_dimensions_by_the_formula_of_a_correlation(rho: float) -> None:
    rng = np.random.default_rng(0)
    code = rng.multivariate_normal([3, -3], [[1, 5 * rho], [5 * rho, 25]], size=3000)
    sample = np.corrcoef(code.T)[0, 1]
    score = block_total_correlation(code, PAIR)
    assert score.value == pytest.approx(-0.5 * np.log(1 - sample**2))
    assert score.value == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.03)


def test_a_known_gaussian_lies_in_the_interval() -> None:
    code, truth = mixed()
    score = block_total_correlation(code, LAYOUT)
    assert truth > 0.5
    assert score.value == pytest.approx(truth, rel=0.05)
    assert score.low < truth < score.high
    assert score.chance < 0.05 * truth
    assert score.perfect is None


def test_chance_is_the_bias_of_the_estimate_and_what_independent_factors_give() -> None:
    code = np.random.default_rng(0).normal(size=(300, LAYOUT.num_dims))
    score = block_total_correlation(code, LAYOUT)
    r, d, c = LAYOUT.sizes
    assert score.chance == pytest.approx((r * d + r * c + d * c) / (2 * 300), rel=0.2)  # 2 n TC is χ² there
    assert score.low < score.chance < score.high


def test_jackknife_width_is_that_of_the_delta_method() -> None:
    rng = np.random.default_rng(1)
    code = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=2000)
    score = block_total_correlation(code, PAIR)
    error = (score.high - score.value) / student_t.ppf(0.975, 19)
    assert error == pytest.approx(0.6 / np.sqrt(2000), rel=0.5)
    assert score.high - score.value == pytest.approx(score.value - score.low)


def test_one_outlier_row_sets_the_correlation_and_the_interval_says_so() -> None:
    code = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=300)
    one, both = code.copy(), code.copy()
    one[17, 0], both[17] = 1e3, 1e3
    clean, hidden, made = (block_total_correlation(rows, PAIR) for rows in (code, one, both))
    assert hidden.value < 0.1 * clean.low
    assert made.value > 5 * clean.high
    assert made.low < clean.value < made.high
    assert made.high - made.low > 20 * (clean.high - clean.low)


def test_copies_do_not_narrow_the_interval() -> None:
    code, _ = mixed(200)
    rows = np.repeat(np.arange(200), 5)
    single = block_total_correlation(code, LAYOUT)
    by_original = block_total_correlation(code[rows], LAYOUT, groups=rows)
    by_row = block_total_correlation(code[rows], LAYOUT)
    assert by_original.value == pytest.approx(single.value)
    assert by_original.high - by_original.low == pytest.approx(single.high - single.low)
    assert by_original.chance == pytest.approx(single.chance)
    assert by_row.chance < 0.5 * single.chance
    assert by_row.high - by_row.low < 0.7 * (single.high - single.low)


def test_rotations_and_units() -> None:
    code, _ = mixed(500)
    value = block_total_correlation(code, LAYOUT).value
    assert block_total_correlation(code @ rotation_within(), LAYOUT).value == pytest.approx(value)
    assert block_total_correlation(1e-5 * code + 3, LAYOUT).value == pytest.approx(value)
    independent = np.random.default_rng(0).normal(size=(500, 15)) * np.linspace(0.2, 3, 15)
    before = block_total_correlation(independent, LAYOUT)
    after = block_total_correlation(independent @ rotation_across(), LAYOUT)
    assert before.value < 0.2 < 1 < after.low


def test_a_factor_alone_has_nothing_to_correlate_with() -> None:
    code, _ = mixed(100)
    assert block_total_correlation(code, Layout.of((), (15,))).value == 0


def test_what_has_no_estimate_is_refused() -> None:
    code, _ = mixed(31)
    block_total_correlation(code, LAYOUT)
    with pytest.raises(ValueError, match="30 rows are too few for 15 dimensions; more than 30"):
        block_total_correlation(code[:30], LAYOUT)
    constant, twin, broken = (mixed(100)[0] for _ in range(3))
    constant[:, 4] = 0.1
    twin[:, 14] = 2 * twin[:, 0] - twin[:, 1]
    broken[0, 0] = np.inf
    with pytest.raises(ValueError, match="codes: dimension 4 is constant"):
        block_total_correlation(constant, LAYOUT)
    with pytest.raises(ValueError, match="singular"):
        block_total_correlation(twin, LAYOUT)
    with pytest.raises(ValueError, match="codes: row 0 holds inf"):
        block_total_correlation(broken, LAYOUT)
