import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from pipeline.scores.literature.mutual_information import mig
from pipeline.scores.statistics.score import Score

from .dims import Table, perfect_table


@pytest.fixture(scope="module")
def table() -> Table:
    return perfect_table()


def scored(table: Table, **more: object) -> Score:
    score = mig(table.code, table.concepts, **more)
    assert score is not None
    return score


def by_loops(code: np.ndarray, concepts: dict[str, np.ndarray]) -> float:
    """disentanglement_lib's definition on numpy's histogram and scikit-learn's mutual information."""

    def binned(column: np.ndarray) -> np.ndarray:
        return np.digitize(column, np.histogram(column, 20)[1][:-1])

    gaps = []
    for concept in concepts.values():
        labels = [concept] if concept.ndim == 1 else [binned(column) for column in concept.T]
        of_components = []
        for label in labels:
            information = sorted(mutual_info_score(label, binned(column)) for column in code.T)
            of_components.append((information[-1] - information[-2]) / mutual_info_score(label, label))
        gaps.append(np.mean(of_components))
    return float(np.mean(gaps))


@pytest.mark.parametrize("spoil", ["rotated_across", "leaky", "noise", "rotated_within_colour"])
def test_definition_by_another_route(table: Table, spoil: str) -> None:
    spoilt = getattr(table, spoil)()
    assert scored(spoilt).value == pytest.approx(by_loops(spoilt.code, spoilt.concepts), abs=1e-9)


def test_a_perfect_code(table: Table) -> None:
    score = scored(table)
    assert score.value > 0.85
    assert score.value == pytest.approx(score.perfect, abs=0.05)
    assert score.low <= score.value <= score.high
    assert score.chance < 0.02


def test_each_spoilt_code_in_its_place(table: Table) -> None:
    digit_of = {name: scored(getattr(table, name)()).details["concept/digit"] for name in ("leaky", "rotated_across")}
    assert 0.3 < digit_of["leaky"] < 0.8
    assert digit_of["rotated_across"] < 0.4
    within = scored(table.rotated_within_colour())
    assert within.details["concept/digit"] > 0.9
    assert within.details["concept/colour"] < 0.5 * scored(table).details["concept/colour"]
    assert scored(table.duplicated()).value == pytest.approx(0, abs=1e-9)
    noise = scored(table.noise())
    assert noise.value == pytest.approx(noise.chance, abs=0.02)


def test_bias_at_few_rows_is_in_the_chance(table: Table) -> None:
    few = scored(perfect_table(30).noise())
    assert few.chance > 0.02 > 2 * scored(table.noise()).chance
    assert few.value == pytest.approx(few.chance, abs=0.06)
    assert scored(perfect_table(30)).value > 5 * few.chance


def test_concepts_that_go_together_are_not_held_against_a_perfect_code() -> None:
    rng = np.random.default_rng(0)
    digit = rng.integers(5, size=400)
    shape = np.where(rng.uniform(size=400) < 0.7, digit, rng.integers(5, size=400))
    score = scored(Table({"digit": digit, "shape": shape}, np.stack([digit, shape], axis=1).astype(float)))
    assert score.value == score.perfect < 0.7


def test_copies_do_not_narrow_the_interval() -> None:
    rotated = perfect_table(200).rotated_across()
    rows = np.repeat(np.arange(200), 5)
    copied = Table({name: c[rows] for name, c in rotated.concepts.items()}, rotated.code[rows])
    single, by_original, by_row = scored(rotated), scored(copied, groups=rows), scored(copied)
    assert by_original.value == pytest.approx(single.value)
    assert by_original.high - by_original.low == pytest.approx(single.high - single.low)
    assert by_original.chance == pytest.approx(single.chance)
    assert by_row.high - by_row.low < 0.7 * (single.high - single.low)


def test_the_interval_covers_what_many_rows_give() -> None:
    def rotated(num_rows: int, seed: int) -> Score:
        rng = np.random.default_rng(seed)
        label = rng.integers(3, size=num_rows)
        code = np.stack([label + 0.3 * rng.normal(size=num_rows), label + rng.normal(size=num_rows)], axis=1)
        return scored(Table({"digit": label}, code), seed=seed)

    truth = np.mean([rotated(2000, seed).value for seed in range(100, 110)])
    covered = [score.low <= truth <= score.high for score in (rotated(2000, seed) for seed in range(30))]
    assert np.mean(covered) >= 0.8


def test_an_outlier_is_reported(table: Table) -> None:
    code = table.code.copy()
    code[4, 2] = 1e5
    spoilt = scored(table.with_code(code))
    assert spoilt.details["collapsed_dims"] == "2"
    assert spoilt.details["concept/colour"] < 0.7 * scored(table).details["concept/colour"]
    values = table.concepts["colour"].copy()
    values[4, 0] = 1e5
    assert scored(Table({"colour": values}, table.code)).details["collapsed_concepts"] == "colour"


def test_what_is_constant_is_left_out_and_named(table: Table) -> None:
    with_constants = Table(
        {**table.concepts, "smile": np.ones(600, dtype=int), "angle": np.full(600, 0.1)},
        np.hstack([table.code, np.full((600, 1), 0.3)]),
    )
    score = scored(with_constants)
    assert score.value == scored(table).value
    assert score.details["constant_concepts"] == "smile, angle"
    assert score.details["constant_dims"] == "5"
    assert mig(table.code, {"smile": np.ones(600, dtype=int)}) is None
    half = np.column_stack([table.concepts["colour"][:, :1], np.full(600, 0.1)])  # a component that is constant
    expected = scored(Table({"colour": half[:, :1]}, table.code))
    assert scored(Table({"colour": half}, table.code)).value == expected.value


def test_one_dimension_is_compared_with_a_constant_one(table: Table) -> None:
    score = scored(Table({"digit": table.concepts["digit"]}, table.code[:, :1]))
    assert score.value == pytest.approx(1)
    assert score.perfect == pytest.approx(1)


def test_forty_binary_attributes_in_a_plain_array() -> None:
    rng = np.random.default_rng(0)
    attributes = (rng.uniform(size=(200, 40)) < np.linspace(0.02, 0.5, 40)).astype(int)
    score = scored(Table(attributes, attributes + 0.0))  # some are rare: heavy imbalance
    assert score.value == score.perfect > 0.9
    assert score.chance < 0.1
    assert score.details["concept/39"] > 0.9


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_codes_that_are_not_finite_are_refused(table: Table, bad: float) -> None:
    code = table.code.copy()
    code[7, 3] = bad
    with pytest.raises(ValueError, match="codes: row 7 holds"):
        mig(code, table.concepts)


def test_wrong_arguments_are_refused(table: Table) -> None:
    with pytest.raises(ValueError, match=r"codes: found shape \(600,\)"):
        mig(table.code[:, 0], table.concepts)
    with pytest.raises(ValueError, match="concept 'digit': found int64 of shape"):
        mig(table.code[:9], table.concepts)
    with pytest.raises(ValueError, match="at least 2 originals"):
        mig(table.code, table.concepts, groups=np.zeros(600, dtype=int))
