import numpy as np
import pytest

from pipeline.basis.layout import Layout
from pipeline.scores.probes.matrix import probe_matrix, probe_scores
from pipeline.scores.statistics.targets import folds_by_original, target_of

from .codes import LAYOUT, Study, good_study

ONE = Layout.of(("smile",), (1, 1))


@pytest.fixture(scope="module")
def study() -> Study:
    return good_study(60)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_codes_that_are_not_finite_are_refused(study: Study, bad: float) -> None:
    code = study.code.copy()
    code[7, 3] = bad
    with pytest.raises(ValueError, match=r"codes: row 7 holds"):
        probe_matrix(code, study.concepts, LAYOUT)


def test_wrong_arguments_are_refused(study: Study) -> None:
    with pytest.raises(ValueError, match="the layout has 15 dimensions"):
        probe_matrix(study.code[:, :14], study.concepts, LAYOUT)
    with pytest.raises(ValueError, match="at least one row"):
        probe_matrix(study.code[:0], study.concepts, LAYOUT)
    with pytest.raises(ValueError, match="'linear' and 'rbf'"):
        probe_matrix(study.code, study.concepts, LAYOUT, "quadratic")
    with pytest.raises(ValueError, match="none is given"):
        probe_matrix(study.code, {}, LAYOUT)
    with pytest.raises(ValueError, match="concept 'digit': all rows"):
        probe_matrix(study.code, {"digit": np.zeros(60, dtype=int)}, LAYOUT)
    with pytest.raises(ValueError, match="one original a row"):
        probe_matrix(study.code, study.concepts, LAYOUT, groups=np.arange(59))
    with pytest.raises(ValueError, match="5 originals for its 5 folds, found 4"):
        probe_matrix(study.code, study.concepts, LAYOUT, groups=np.arange(60) % 4)


@pytest.mark.usefixtures("one_permutation")
def test_summaries_want_a_linear_and_an_rbf_matrix_of_the_layout(study: Study) -> None:
    linear, rbf = study.matrix("linear"), study.matrix("rbf")
    with pytest.raises(ValueError, match=r"linear probes of .* are expected; found rbf ones"):
        probe_scores(rbf, LAYOUT, linear)
    with pytest.raises(ValueError, match="smile"):
        probe_scores(linear, Layout.of(("digit", "colour", "smile"), (6, 4, 4, 1)), rbf)


@pytest.mark.usefixtures("one_permutation")
def test_a_layout_without_concepts_has_a_matrix_and_no_summary(study: Study) -> None:
    alone = Layout.of((), (15,))
    linear, rbf = (probe_matrix(study.code, study.concepts, alone, kind) for kind in ("linear", "rbf"))
    assert linear.cell("residual", "digit").value > 0.9
    assert probe_scores(linear, alone, rbf) == {}


@pytest.mark.parametrize("kind", ["linear", "rbf"])
@pytest.mark.usefixtures("one_permutation")
def test_a_class_with_one_original_costs_a_perfect_code_its_share(kind: str) -> None:
    label = np.array([0, 1] * 20 + [2])
    code = np.stack([np.zeros(41), label], axis=1).astype(float)
    cell = probe_matrix(code, {"smile": label}, ONE, kind).cell("smile", "smile")
    assert cell.perfect == pytest.approx((2 / 3 - 1 / 3) / (1 - 1 / 3))  # never seen, so never said
    assert cell.value <= cell.perfect


@pytest.mark.parametrize("kind", ["linear", "rbf"])
def test_folds_where_all_classes_are_rare_and_where_one_class_is_all_there_is(kind: str) -> None:
    label = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2])
    code = np.stack([np.zeros(9), label], axis=1).astype(float)
    assert 0 <= probe_matrix(code, {"smile": label}, ONE, kind).cell("smile", "smile").value <= 1
    nearly = np.array([0, 0, 0, 0, 0, 1])
    cell = probe_matrix(np.stack([nearly, nearly], axis=1), {"smile": nearly}, ONE, kind).cell("smile", "smile")
    assert cell.value == cell.perfect == 0


@pytest.mark.parametrize("kind", ["linear", "rbf"])
@pytest.mark.parametrize("valued", [False, True])
@pytest.mark.usefixtures("one_permutation")
def test_a_factor_of_one_dimension_in_any_unit(kind: str, valued: bool) -> None:
    rng = np.random.default_rng(0)
    label = rng.normal(size=100) if valued else rng.integers(2, size=100)
    code = np.stack([rng.normal(size=100), 1e6 + 1e-3 * label], axis=1)
    matrix = probe_matrix(code, {"smile": label}, ONE, kind)
    assert matrix.cell("smile", "smile").value > 0.95
    assert matrix.cell("residual", "smile").value < 0.3


@pytest.mark.parametrize("kind", ["linear", "rbf"])
@pytest.mark.usefixtures("one_permutation")
def test_a_constant_factor_knows_nothing(kind: str) -> None:
    label = np.arange(60) % 3
    code = np.stack([np.full(60, 7.0), label], axis=1)
    matrix = probe_matrix(code, {"smile": label}, ONE, kind)
    assert matrix.cell("residual", "smile").value == pytest.approx(0, abs=0.05)
    assert matrix.cell("smile", "smile").value == 1


def test_each_original_is_in_one_fold_and_each_class_in_every_fold() -> None:
    rng = np.random.default_rng(0)
    index = np.repeat(np.arange(50), 3)
    label = np.repeat(rng.permutation(np.arange(50) % 5), 3)
    folds = folds_by_original(target_of("digit", label, 150), index, 1)
    assert len(folds) == 5
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(150))
    for fitted, held in folds:
        assert not set(index[fitted]) & set(index[held])
        assert len(fitted) + len(held) == 150
        assert set(label[held]) == set(range(5))


@pytest.mark.usefixtures("one_permutation")
def test_a_plain_array_has_the_concepts_of_the_layout_in_order() -> None:
    study = good_study(60)
    layout = Layout.of(("digit", "parity"), LAYOUT.sizes)
    parity = study.digit % 2
    named = probe_matrix(study.code, {"parity": parity, "digit": study.digit}, layout)
    plain = probe_matrix(study.code, np.stack([study.digit, parity], axis=1), layout)
    assert plain.concepts == ("digit", "parity")
    assert probe_scores(plain, layout) == probe_scores(named, layout)
    with pytest.raises(
        ValueError, match=r"concepts: found shape \(60, 3\); one column a concept is expected, \(60, 2\)"
    ):
        probe_matrix(study.code, np.zeros((60, 3), dtype=int), layout)


@pytest.mark.usefixtures("one_permutation")
def test_an_rbf_probe_of_many_rows_sees_2000_of_them_and_says_so() -> None:
    rng = np.random.default_rng(0)
    code = rng.normal(size=(2010, 3))
    radius = np.linalg.norm(code[:, 1:], axis=1)
    layout = Layout.of(("far",), (1, 2))
    concepts = {"far": (radius > np.median(radius)).astype(int)}
    matrix = probe_matrix(code, concepts, layout, "rbf")
    cell = matrix.cell("far", "far")
    assert cell.value > 0.9
    assert cell.details == {"subset_rows": 2000}
    scores = probe_scores(probe_matrix(code, concepts, layout), layout, matrix)
    assert scores["probe/leak_nonlinear"].details == scores["probe/leak_nonlinear/far"].details == cell.details
    assert scores["probe/own"].details == {}


@pytest.mark.usefixtures("one_permutation")
def test_binary_attributes_with_a_factor_of_one_dimension_each() -> None:
    rng = np.random.default_rng(0)
    names = tuple(f"attribute_{number}" for number in range(5))
    attributes = (rng.uniform(size=(30, 5)) < np.linspace(0.3, 0.7, 5)).astype(int)
    code = np.hstack([rng.normal(size=(30, 1)), 4 * attributes + rng.normal(size=(30, 5))])
    layout = Layout.of(names, (1,) * 6)
    scores = probe_scores(probe_matrix(code, attributes, layout), layout)
    assert scores["probe/own"].value > 0.8
    assert scores["probe/own"].perfect == 1
    assert len([name for name in scores if name.startswith("probe/gap/")]) == 5
    # The best of five others at 30 rows finds something by luck, in the perfect code too: the bracket says how much.
    assert scores["probe/other_max"].perfect > 0.2
    assert scores["probe/gap"].value < scores["probe/gap"].perfect < 0.8


def test_forty_binary_attributes() -> None:
    rng = np.random.default_rng(0)
    attributes = rng.integers(2, size=(200, 40))
    concepts = {f"attribute_{number}": column for number, column in enumerate(attributes.T)}
    code = rng.normal(size=(200, 2))
    code[:, 1] += 4 * attributes[:, 7]
    layout = Layout.of(("attribute_7",), (1, 1))
    matrix = probe_matrix(code, concepts, layout)
    assert matrix.value.shape == matrix.perfect.shape == (2, 40)
    assert matrix.permuted.shape == (1, 2, 40)
    for cells in (matrix.value, matrix.resamples, matrix.permuted, matrix.perfect):
        assert ((cells >= 0) & (cells <= 1)).all()
    planted = matrix.cell("attribute_7", "attribute_7")
    assert planted.chance < 0.3 < 0.85 < planted.low
    assert planted.perfect == 1
    assert np.delete(matrix.value.ravel(), 47).max() < 0.35
    assert probe_scores(matrix, layout)["probe/gap"].value > 0.7


def test_ten_concepts_have_one_permutation() -> None:
    attributes = np.random.default_rng(0).integers(2, size=(40, 10))
    concepts = {f"attribute_{number}": column for number, column in enumerate(attributes.T)}
    assert probe_matrix(attributes[:, :1] + 0.0, concepts, Layout.of((), (1,))).permuted.shape == (1, 1, 10)


@pytest.mark.parametrize("kind", ["linear", "rbf"])
@pytest.mark.usefixtures("one_permutation")
def test_thirty_rows_have_wider_intervals(kind: str) -> None:
    few, many = good_study(30).matrix(kind), good_study(300).matrix(kind)
    one, other = (matrix.cell("colour", "colour") for matrix in (few, many))
    assert 0 <= one.low < one.value < one.high <= 1
    assert one.high - one.low > 2 * (other.high - other.low)
    assert one.chance < 0.2


@pytest.mark.parametrize("kind", ["linear", "rbf"])
@pytest.mark.usefixtures("one_permutation")
def test_one_outlier_row_costs_the_factor_that_it_is_in_and_no_other(kind: str) -> None:
    """A linear probe, standardised as scikit-learn does, loses half; a kernel keeps its unit and loses one row."""
    study = good_study(200)
    code = study.code.copy()
    code[17, LAYOUT.slice("digit")] = 1e4
    clean, spoilt = (probe_matrix(c, study.concepts, LAYOUT, kind) for c in (study.code, code))
    assert spoilt.cell("colour", "colour") == clean.cell("colour", "colour")
    own = spoilt.cell("digit", "digit")
    low, high = (0.3, 0.8) if kind == "linear" else (0.97, 0.999)
    assert low < own.value < high < clean.cell("digit", "digit").value
    assert own.perfect == 1
    assert own.chance < own.low
