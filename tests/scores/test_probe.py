import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pipeline.basis.layout import Layout
from pipeline.scores.probes.matrix import probe_matrix, probe_scores
from pipeline.scores.statistics.score import Score
from pipeline.scores.statistics.targets import folds_by_original, target_of

from .codes import LAYOUT, Study, good_study, rotation_across, rotation_within


@pytest.fixture(scope="module")
def study() -> Study:
    return good_study()


@pytest.fixture(scope="module")
def good(study: Study) -> dict[str, Score]:
    return study.scores()


def test_names(good: dict[str, Score]) -> None:
    kinds = ("own", "gap", "other_max", "residual_leak", "leak_nonlinear")
    assert set(good) == {f"probe/{kind}{tail}" for kind in kinds for tail in ("", "/digit", "/colour")}


def test_without_an_rbf_matrix_the_rest_is_the_same(study: Study, good: dict[str, Score]) -> None:
    matrix = study.matrix()
    assert matrix.permuted.shape == (5, 3, 2)
    rest = probe_scores(matrix, LAYOUT)
    assert rest == {name: score for name, score in good.items() if "nonlinear" not in name}


def test_good_code_is_near_perfect(good: dict[str, Score]) -> None:
    assert good["probe/own/digit"].value > 0.95
    assert good["probe/own/colour"].value > 0.95
    assert good["probe/gap"].value > 0.85
    for leak in ("probe/other_max", "probe/residual_leak", "probe/leak_nonlinear"):
        assert good[leak].value < 0.1


def test_each_score_stands_between_chance_and_perfect(good: dict[str, Score]) -> None:
    for name, score in good.items():
        assert score.low <= score.value <= score.high, name
        best, worst = (0, 1) if "leak" in name or "other" in name else (1, 0)
        assert score.perfect == pytest.approx(best, abs=0.05), name
        assert abs(score.chance) < 0.1, name
        if worst == 0:
            assert score.chance < score.low, name


def test_means_are_over_concepts(good: dict[str, Score]) -> None:
    for kind in ("own", "gap", "other_max", "residual_leak", "leak_nonlinear"):
        each = [good[f"probe/{kind}/{concept}"].value for concept in LAYOUT.concepts]
        assert good[f"probe/{kind}"].value == pytest.approx(np.mean(each))
    for concept in LAYOUT.concepts:
        own, other = good[f"probe/own/{concept}"], good[f"probe/other_max/{concept}"]
        assert good[f"probe/gap/{concept}"].value == pytest.approx(own.value - other.value)


@pytest.mark.usefixtures("one_permutation")
def test_rotation_within_factors_changes_nothing(study: Study, good: dict[str, Score]) -> None:
    rotated = study.rotated(rotation_within()).scores()
    for name, score in rotated.items():
        assert score.value == pytest.approx(good[name].value, abs=0.03), name


@pytest.mark.usefixtures("one_permutation")
def test_rotation_across_factors_is_seen(study: Study) -> None:
    rotated = study.rotated(rotation_across()).scores()
    assert rotated["probe/gap"].value < 0.4
    assert rotated["probe/other_max"].value > 0.3


@pytest.mark.usefixtures("one_permutation")
def test_a_leak_into_the_residual_is_seen_where_it_is(study: Study, good: dict[str, Score]) -> None:
    residual = study.factor("residual").copy()
    residual[:, :4] = study.factor("digit") + 0.5 * residual[:, :4]
    leaky = study.with_factor("residual", residual).scores()
    assert leaky["probe/residual_leak/digit"].value > 0.8
    assert leaky["probe/gap/digit"].value < 0.2
    assert leaky["probe/other_max/digit"].details == {"factor": "residual"}
    assert leaky["probe/gap/colour"].value == good["probe/gap/colour"].value
    assert leaky["probe/own/digit"].value == good["probe/own/digit"].value


@pytest.mark.usefixtures("one_permutation")
def test_a_duplicate_in_another_factor_closes_the_gap_in_every_resample(study: Study) -> None:
    """Own and other predict alike, so a joint resample has no gap; resampled apart, they would differ."""
    one = np.repeat(study.factor("digit")[:, :1], 4, axis=1)
    twice = study.with_factor("digit", one).with_factor("colour", np.repeat(one[:, :1], 5, axis=1))
    scores = twice.scores()
    gap, own = scores["probe/gap/digit"], scores["probe/own/digit"]
    assert own.high - own.low > 0.03
    assert gap.high - gap.low < 0.5 * (own.high - own.low)
    assert abs(gap.value) < 0.02
    assert scores["probe/other_max/digit"].details == {"factor": "colour"}


@pytest.mark.usefixtures("one_permutation")
def test_noise_has_no_score(study: Study) -> None:
    noise = np.random.default_rng(5).normal(size=study.code.shape)
    scores = Study(study.digit, study.colour, noise).scores()
    for name, score in scores.items():
        assert abs(score.value) < 0.12, name
    assert scores["probe/own"].perfect > 0.98


@pytest.mark.parametrize("valued", [False, True])
@pytest.mark.usefixtures("one_permutation")
def test_a_label_hidden_in_a_radius_is_missed_by_a_line_and_found_by_a_kernel(study: Study, valued: bool) -> None:
    radius = np.linalg.norm(study.factor("residual"), axis=1)
    hidden = radius if valued else (radius > np.median(radius)).astype(int)
    concepts = {"digit": hidden, "colour": study.colour}
    linear, rbf = (probe_matrix(study.code, concepts, LAYOUT, kind) for kind in ("linear", "rbf"))
    scores = probe_scores(linear, LAYOUT, rbf)
    assert scores["probe/residual_leak/digit"].value < 0.15
    assert scores["probe/leak_nonlinear/digit"].value > 0.5


@pytest.mark.usefixtures("one_permutation")
def test_linear_cells_agree_with_scikit_learn(study: Study) -> None:
    matrix = study.matrix()
    rows = np.arange(len(study.code))
    folds = {name: folds_by_original(target_of(name, c, len(rows)), rows, 0) for name, c in study.concepts.items()}
    classifier = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    regressor = make_pipeline(StandardScaler(), Ridge())
    for factor in LAYOUT.names:
        named = cross_val_predict(classifier, study.factor(factor), study.digit, cv=folds["digit"])
        expected = max(0, balanced_accuracy_score(study.digit, named, adjusted=True))
        assert matrix.cell(factor, "digit").value == pytest.approx(expected)
        # Ridge is told the colour in its own unit, R² does not care; the penalty acts on the code alone.
        valued = cross_val_predict(regressor, study.factor(factor), study.colour, cv=folds["colour"])
        assert matrix.cell(factor, "colour").value == pytest.approx(max(0, r2_score(study.colour, valued)))


@pytest.mark.usefixtures("one_permutation")
def test_matrix_as_json(study: Study) -> None:
    matrix = study.matrix()
    cells = json.loads(json.dumps(matrix.as_dict()))
    assert list(cells) == list(LAYOUT.names)
    assert cells["colour"]["digit"] == matrix.cell("colour", "digit").as_dict()


@pytest.mark.usefixtures("one_permutation")
def test_equal_seeds_give_equal_scores(study: Study) -> None:
    first, again, other = study.matrix(seed=2**62), study.matrix(seed=2**62), study.matrix(seed=3)
    assert first.as_dict() == again.as_dict()
    assert first.as_dict() != other.as_dict()


@pytest.mark.parametrize("kind", ["linear", "rbf"])
@pytest.mark.usefixtures("one_permutation")
def test_copies_of_an_original_never_help_to_predict_it(kind: str) -> None:
    """Random labels and codes, six copies of each: by original nothing is found, by row the copies are."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 6)
    label = np.repeat(rng.integers(2, size=40), 6)
    code = np.repeat(rng.normal(size=(40, 30)), 6, axis=0)
    layout = Layout.of(("smile",), (1, 29))
    by_original = probe_matrix(code, {"smile": label}, layout, kind, groups).cell("smile", "smile")
    by_row = probe_matrix(code, {"smile": label}, layout, kind).cell("smile", "smile")
    assert by_original.value < 0.4
    assert by_row.value > 0.8


@pytest.mark.usefixtures("one_permutation")
def test_copies_of_an_original_do_not_narrow_an_interval() -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=80)
    code = rng.normal(size=(80, 2)) + 1.5 * np.stack([np.zeros(80), label], axis=1)
    layout, originals = Layout.of(("smile",), (1, 1)), np.arange(80)

    def width(copies: int, by_original: bool) -> float:
        rows = np.repeat(originals, copies)
        cell = probe_matrix(code[rows], {"smile": label[rows]}, layout, groups=rows if by_original else None)
        score = cell.cell("smile", "smile")
        return score.high - score.low

    assert width(9, by_original=True) == pytest.approx(width(1, by_original=True), rel=0.25)
    assert width(9, by_original=False) < 0.5 * width(1, by_original=True)


@pytest.mark.usefixtures("one_permutation")
def test_concepts_that_go_together_limit_what_a_perfect_code_reaches(study: Study) -> None:
    twins = {"digit": study.digit, "colour": study.digit % 4}
    matrix = probe_matrix(study.code, twins, LAYOUT)
    scores = probe_scores(matrix, LAYOUT, probe_matrix(study.code, twins, LAYOUT, "rbf"))
    assert scores["probe/own/colour"].perfect == 1
    assert scores["probe/other_max/colour"].perfect == 1
    assert scores["probe/gap/colour"].perfect == 0
    assert matrix.cell("residual", "colour").perfect == pytest.approx(0, abs=0.02)


@pytest.mark.parametrize("kind", ["linear", "rbf"])
def test_a_rare_class_counts_as_much_as_a_common_one(kind: str) -> None:
    rng = np.random.default_rng(0)
    glasses = (np.arange(400) % 20 == 0).astype(int)
    code = rng.normal(size=(400, 3)) + 3 * glasses[:, None] * np.array([0, 1, 0])
    cell = probe_matrix(code, {"glasses": glasses}, Layout.of(("glasses",), (1, 2)), kind).cell("glasses", "glasses")
    assert cell.value > 0.7
