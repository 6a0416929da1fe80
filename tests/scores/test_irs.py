import numpy as np
import pytest

from pipeline.scores.literature.irs import irs
from pipeline.scores.statistics.score import Score

from .dims import Table, perfect_table


@pytest.fixture(scope="module")
def table() -> Table:
    return perfect_table()


def scored(table: Table) -> Score:
    score = irs(table.code, table.concepts)
    assert score is not None
    return score


@pytest.mark.parametrize("spoil", ["rotated_across", "leaky", "noise"])
def test_definition_by_plain_loops(table: Table, spoil: str) -> None:
    spoilt = getattr(table, spoil)()
    labels = [spoilt.concepts["digit"], spoilt.concepts["shape"]]
    labels += [np.digitize(c, np.histogram(c, 20)[1][:-1]) for c in spoilt.concepts["colour"].T]
    numerator = denominator = 0.0
    for column in spoilt.code.T:
        farthest = max(abs(z - column.mean()) for z in column)
        best = -np.inf
        for label in labels:
            moved = []
            for value in set(label.tolist()):
                held = column[label == value]
                away = sorted(abs(held - held.mean()))
                place = 0.99 * (len(away) - 1)
                low, high = int(np.floor(place)), int(np.ceil(place))
                moved.append(away[low] + (place - low) * (away[high] - away[low]))
            best = max(best, 1 - np.mean(moved) / farthest)
        numerator, denominator = numerator + farthest * best, denominator + farthest
    assert scored(spoilt).value == pytest.approx(numerator / denominator, abs=1e-9)


def test_perfect_and_spoilt_codes_from_both_sides(table: Table) -> None:
    perfect = scored(table)
    assert perfect.value > 0.95
    assert perfect.value == pytest.approx(perfect.perfect, abs=0.02)
    assert perfect.details["dims/digit"] == 1
    assert perfect.details["dims/colour"] == 3
    assert perfect.low <= perfect.value <= perfect.high
    assert scored(table.duplicated()).value > 0.95  # says nothing of how often a concept is told
    within, across, noise = (scored(getattr(table, s)()) for s in ("rotated_within_colour", "rotated_across", "noise"))
    assert noise.value == pytest.approx(noise.chance, abs=0.05)
    assert noise.value < 0.4
    assert noise.value < across.value < within.value < perfect.value
    assert across.value < 0.7


def test_values_of_one_row_hold_still_and_show_in_the_chance() -> None:
    few = scored(perfect_table(30).noise())
    assert few.chance > scored(perfect_table(600).noise()).chance + 0.1


def test_constants(table: Table) -> None:
    padded = scored(table.with_code(np.hstack([table.code, np.full((600, 2), 0.1)])))
    assert padded.value == scored(table).value
    assert padded.details["constant_dims"] == "5, 6"
    nothing = scored(table.with_code(np.full((600, 2), 0.1)))
    assert nothing.value == nothing.chance == nothing.high == 0
    assert irs(table.code, {"smile": np.ones(600, dtype=int)}) is None


def test_an_outlier_in_a_value_is_reported(table: Table) -> None:
    colour = table.concepts["colour"].copy()
    colour[3, 1] = 1e6
    score = scored(Table({"colour": colour}, table.code))
    assert score.details["collapsed_concepts"] == "colour"
    # What nearly never changes is as good as never changed: the value rises, and chance with it.
    assert score.chance > scored(Table({"colour": table.concepts["colour"]}, table.code)).chance + 0.3


def test_forty_attributes_and_a_rare_one() -> None:
    attributes = np.random.default_rng(0).integers(2, size=(100, 40))
    attributes[:, 0] = np.arange(100) == 0
    score = scored(Table(attributes, attributes.astype(float)))
    assert score.value == score.perfect == pytest.approx(1)
    assert score.chance < 0.6


def test_a_code_that_is_not_finite_is_refused(table: Table) -> None:
    with pytest.raises(ValueError, match="codes: row 0 holds inf"):
        irs(np.full((600, 2), np.inf), table.concepts)
