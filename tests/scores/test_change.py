"""Changes of an output that is no decision, in its standard deviations."""

import numpy as np
import pytest

from pipeline.scores.behaviour import ChangeTally, output_scale, response_scores, values_preservation

RNG = np.random.default_rng(0)
VALUES = RNG.normal(size=(400, 3)) * np.array([1, 100, 0.01]) + np.array([0, 5, 7])


def test_a_scale_is_a_standard_deviation_and_infinite_of_what_never_varies() -> None:
    constant = np.column_stack([VALUES, np.full(400, 3.0), 1e4 + 1e-4 * RNG.normal(size=400)])
    scale = output_scale(constant)
    assert np.allclose(scale[:3], VALUES.std(axis=0))
    assert np.isinf(scale[3:]).all(), "the last varies by rounding alone"
    with pytest.raises(ValueError, match="values: the same in all rows"):
        output_scale(np.ones((5, 2)))


def test_moves_are_counted_in_standard_deviations_whatever_the_units() -> None:
    scale = output_scale(VALUES)
    tally = ChangeTally(VALUES, scale)
    for sign in (1, -1):
        tally.add(VALUES + sign * 2 * scale)
    assert np.allclose(tally.rows(), [2.0, 2.0])
    still = ChangeTally(VALUES, scale)
    still.add(VALUES)
    assert not still.rows().any()
    shifted = ChangeTally(VALUES, scale)
    for _ in range(3):
        shifted.add(VALUES + np.array([scale[0], 0, 0]))
    assert np.allclose(shifted.rows(), [1 / np.sqrt(3), 0]), "one of three numbers moved, always by the same"


def test_a_number_that_never_varies_counts_for_nothing() -> None:
    values = np.column_stack([VALUES[:, :1], np.zeros(400)])
    tally = ChangeTally(values, output_scale(values))
    tally.add(values + np.array([VALUES[:, 0].std(), 1000]))
    assert np.allclose(tally.rows()[:, 0], 1)


def test_a_draw_of_another_row_is_as_far_as_independent_normals_are() -> None:
    """E|x − y| of two standard normals is 2 / √π, and the deviation over many draws is 1."""
    values = RNG.normal(size=(2000, 1))
    tally = ChangeTally(values, output_scale(values))
    for _ in range(300):
        tally.add(RNG.permutation(values))
    scores = response_scores(tally.rows(), tally.MEASURES, 0, None)
    assert scores["moved"].value == pytest.approx(2 / np.sqrt(np.pi), abs=0.02)
    assert scores["moved"].low < 2 / np.sqrt(np.pi) < scores["moved"].high
    assert scores["deviation"].value == pytest.approx(1, abs=0.02)


def test_preservation_lies_between_nothing_lost_and_another_row() -> None:
    scale = VALUES.std(axis=0)
    perfect = values_preservation(VALUES, VALUES)
    assert perfect["preserve/moved"].value == perfect["preserve/largest_move"].value == 0
    off = values_preservation(VALUES, VALUES + 0.1 * scale, groups=np.arange(400) // 2)
    assert off["preserve/moved"].value == pytest.approx(0.1)
    assert off["preserve/largest_move"].value == pytest.approx(0.1)
    assert off["preserve/moved"].chance == pytest.approx(np.sqrt(2), abs=0.15)
    half = values_preservation(VALUES, np.where(np.arange(400)[:, None] % 2, VALUES, VALUES + scale))
    score = half["preserve/moved"]
    assert score.value == pytest.approx(np.sqrt(0.5))
    assert 0.6 < score.low < score.value < score.high < 0.8
    with pytest.raises(ValueError, match=r"outputs_back: found shape \(400, 2\)"):
        values_preservation(VALUES, VALUES[:, :2])
