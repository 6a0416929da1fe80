import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import pearsonr

from pipeline.basis.layout import Layout
from pipeline.scores.fit.pair import pair_correlation
from pipeline.scores.statistics.score import Score

from .codes import LAYOUT, rotation_across, rotation_within

RHO = 0.9


def pairs_of(num_pairs: int = 1200, seed: int = 0) -> tuple[NDArray, NDArray, NDArray]:
    """Codes of pairs as the model wants them: correlation RHO in the shared factor, none elsewhere."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, num_pairs, LAYOUT.num_dims))
    concept = rng.integers(1, 3, size=num_pairs)
    for number in (1, 2):
        rows, where = np.flatnonzero(concept == number)[:, None], np.r_[LAYOUT.slices[number]]
        b[rows, where] = RHO * a[rows, where] + np.sqrt(1 - RHO**2) * b[rows, where]
    return a, b, concept


@pytest.fixture(scope="module")
def good() -> dict[str, Score]:
    return pair_correlation(*pairs_of(), LAYOUT)


def test_a_good_code(good: dict[str, Score]) -> None:
    names = {f"pair/{kind}{tail}" for kind in ("own", "other_max") for tail in ("", "/digit", "/colour")}
    assert set(good) == names
    for name, score in good.items():
        assert score.value == pytest.approx(RHO if "own" in name else 0, abs=0.06), name
        assert score.low <= score.value <= score.high
        assert abs(score.chance) < 0.08
        assert score.perfect is None


def test_own_is_a_mean_and_other_a_maximum(good: dict[str, Score]) -> None:
    each = [[good[f"pair/{kind}/{name}"].value for name in LAYOUT.concepts] for kind in ("own", "other_max")]
    assert good["pair/own"].value == pytest.approx(np.mean(each[0]))
    assert good["pair/other_max"].value == pytest.approx(np.max(each[1]))


def test_definition_by_a_plain_loop(good: dict[str, Score]) -> None:
    a, b, concept = pairs_of()
    a, b = a[concept == 1], b[concept == 1]

    def pooled(where: slice) -> float:
        cov = var_a = var_b = 0.0
        for i in range(where.start, where.stop):
            (s_aa, s_ab), (_, s_bb) = np.cov(a[:, i], b[:, i])
            cov, var_a, var_b = cov + s_ab, var_a + s_aa, var_b + s_bb
        return cov / np.sqrt(var_a * var_b)

    residual, digit, colour = (pooled(where) for where in LAYOUT.slices)
    assert good["pair/own/digit"].value == pytest.approx(digit)
    assert good["pair/other_max/digit"].value == pytest.approx(max(abs(residual), abs(colour)))


def test_factors_of_one_dimension_are_pearsons_in_any_unit_with_fishers_width() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1000, 2))
    b[:, 1] += a[:, 1]
    names = np.array(["smile"] * 1000)
    scores = pair_correlation(1e8 + a, 3 * b - 1e8, names, Layout.of(("smile",), (1, 1)))
    own = scores["pair/own/smile"]
    assert own.value == pytest.approx(pearsonr(a[:, 1], b[:, 1])[0], abs=1e-6)
    assert scores["pair/other_max"].value == pytest.approx(abs(pearsonr(a[:, 0], b[:, 0])[0]), abs=1e-6)
    assert (own.high - own.low) / 2 == pytest.approx(1.96 * (1 - own.value**2) / np.sqrt(1000), rel=0.2)


def test_rotation_within_factors_changes_nothing(good: dict[str, Score]) -> None:
    a, b, concept = pairs_of()
    rotated = pair_correlation(a @ rotation_within(), b @ rotation_within(), concept, LAYOUT)
    for name, score in rotated.items():
        assert score.value == pytest.approx(good[name].value, abs=1e-9)
        assert score.low == pytest.approx(good[name].low, abs=1e-9)


def test_rotation_across_factors_is_seen() -> None:
    a, b, concept = pairs_of()
    rotated = pair_correlation(a @ rotation_across(), b @ rotation_across(), concept, LAYOUT)
    assert rotated["pair/own"].value < 0.6
    assert rotated["pair/other_max"].value > 0.2


def test_a_leak_counts_by_its_size_whatever_its_sign() -> None:
    a, b, concept = pairs_of()
    rows = concept == 1
    b[rows, : LAYOUT.sizes[0]] = -0.8 * a[rows, : LAYOUT.sizes[0]]
    scores = pair_correlation(a, b, concept, LAYOUT)
    assert scores["pair/other_max/digit"].value == pytest.approx(1)
    assert scores["pair/other_max"].value == pytest.approx(1)
    assert scores["pair/other_max/colour"].value < 0.1


def test_noise_is_like_chance() -> None:
    a, b, concept = pairs_of()
    scores = pair_correlation(a, np.random.default_rng(9).normal(size=b.shape), concept, LAYOUT)
    for name, score in scores.items():
        assert score.value == pytest.approx(score.chance, abs=0.06), name


def test_a_constant_factor_has_no_correlation() -> None:
    a, b, concept = pairs_of(100)
    a[:, LAYOUT.slice("digit")] = 0.1
    assert pair_correlation(a, b, concept, LAYOUT)["pair/own/digit"].value == 0


def test_wrong_arguments_are_refused() -> None:
    a, b, concept = pairs_of(40)
    broken = b.copy()
    broken[2, 2] = np.nan
    for arguments, says in (
        ((a, broken, concept), "codes_b: row 2 holds nan"),
        ((a, b[:39], concept), "codes_b: found 39 rows"),
        ((a[:, :9], b, concept), "codes_a"),
        ((a, b, concept[:39]), "one a pair"),
        ((a, b, concept - 1), "concept: found .*0.*the layout has 1, 2"),
        ((a, b, np.array(["digit", "smile"] * 20)), "smile.*the layout has digit, colour"),
        ((a, b, np.ones(40, dtype=int)), "concept 'colour': found 0 pairs"),
    ):
        with pytest.raises(ValueError, match=says):
            pair_correlation(*arguments, LAYOUT)


def test_no_concept_no_score() -> None:
    a, b, _ = pairs_of(40)
    assert pair_correlation(a, b, np.zeros(40, dtype=int), Layout.of((), (LAYOUT.num_dims,))) == {}


def test_originals_that_recur_in_many_pairs_make_the_interval_wider_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(40, LAYOUT.num_dims))
    a = rng.integers(40, size=1000)
    b = (a + rng.integers(1, 40, size=1000)) % 40
    concept = rng.integers(1, 3, size=1000)
    by_pair = pair_correlation(codes[a], codes[b], concept, LAYOUT)
    by_original = pair_correlation(codes[a], codes[b], concept, LAYOUT, groups=np.stack([a, b], axis=1))
    for name, wide in by_original.items():
        narrow = by_pair[name]
        assert (wide.value, wide.chance) == (narrow.value, narrow.chance)
        assert wide.high - wide.low > 1.3 * (narrow.high - narrow.low), name
