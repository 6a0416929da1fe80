"""What a report is made of: directions of a slider, sprites that fit, places of bars and lines, words."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from pipeline.interpret.directions import directions
from pipeline.interpretation.edits import move
from pipeline.report.charts import bar, chart, ticks
from pipeline.report.sprites import encode, fitting
from pipeline.report.words import colour_words, joined
from pipeline.scores.statistics.score import Score

from .pages import subject_of_page


def test_along_a_leading_direction_the_output_changes_most() -> None:
    subject = subject_of_page()
    rows = subject.recipients(8)
    found = directions(subject, 2)["residual"]
    assert torch.allclose(found @ found.T, torch.eye(2), atol=1e-5)

    def effect(direction: torch.Tensor) -> float:
        there, back = (
            subject.rows.outputs(subject.edited(rows, move("residual", direction, sign * 0.5)), rows)
            for sign in (1, -1)
        )
        return float((there - back).square().sum())

    others = torch.nn.functional.normalize(torch.randn(30, 3, generator=torch.Generator().manual_seed(0)))
    assert effect(found[0]) > 0.98 * max(effect(other) for other in others)
    assert effect(found[0]) > effect(found[1])
    assert (found.gather(1, found.abs().argmax(dim=1, keepdim=True)) > 0).all(), "the sign is settled"


def test_sprites_lose_nothing_unless_they_must() -> None:
    table = np.random.default_rng(0).integers(0, 256, (4, 6, 16, 16, 3), dtype=np.uint8)
    whole, small = encode({"a": table})["a"], encode({"a": table}, room=12_000)["a"]
    assert (whole.rows, whole.columns) == (4, 6)
    assert len(small.address) < 12_000 * 4 / 3 + 40 < len(whole.address)
    assert encode({"a": table})["a"] == whole
    least = encode({"a": table}, room=2000)["a"]
    assert len(least.address) < 2000 * 4 / 3 + 40
    assert (least.rows, least.columns) == (4, 6), "smaller pictures, as many of them"


def test_large_pictures_get_smaller_and_small_ones_stay() -> None:
    assert fitting(np.zeros((2, 3, 32, 32, 3), np.uint8), 1000).shape == (2, 3, 32, 32, 3)
    assert fitting(np.zeros((2, 512, 256, 3), np.uint8), 1000).shape == (2, 128, 64, 3)
    assert fitting(np.zeros((1, 128, 128, 3), np.uint8), 4000).shape == (1, 77, 77, 3)


def test_a_bar_says_all_of_its_score() -> None:
    one = bar("digit", "probe/own/digit", Score(0.9, 0.8, 0.95, 0.1, 1.0), 1)
    assert (one.width, one.low, one.high, one.chance, one.perfect) == (90, 80, 95, 10, 100)
    assert one.said == "digit: 0.90, 95 % interval 0.80 to 0.95; chance reaches 0.10, a perfect code 1.00"
    below = bar("gap", "probe/gap", Score(-0.2, -0.3, -0.1), 1)
    assert (below.value, below.width, below.low, below.high, below.chance) == ("−0.20", 0, 0, 0, None)


def test_lines_lie_in_their_frame() -> None:
    one = chart("loss", {"a": (1, [(0.0, 50.0), (50.0, 5.0), (100.0, 10.0)])}, (0.0, 20.0), 50)
    assert one.lines[0].path == "0.0,0.0 500.0,750.0 1000.0,500.0"
    assert one.mark == 50
    assert [text for _, text in one.y] == ["0", "5", "10", "15", "20"]
    assert one.said == "loss, over 100 steps: a, from 50 to 10"
    flat = chart("rate", {"a": (1, [(0.0, 3.0), (10.0, 3.0)])}, (3.0, 3.0))
    assert flat.lines[0].path == "0.0,500.0 1000.0,500.0"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 81.7), (51, 53), (0, 3e-4), (-2e6, 5e9)])
def test_ticks_are_few_and_inside(low: float, high: float) -> None:
    found = ticks(low, high, 4)
    assert 2 <= len(found) <= 5
    assert low <= found[0] < found[-1] <= high
    assert np.allclose(np.diff(found), found[1] - found[0])
    assert all(a < b for a, b in pairwise(found))


def test_words() -> None:
    assert joined([]) == ""
    assert joined(["digit", "colour", "size"]) == "digit, colour and size"
    assert [colour_words(*rgb) for rgb in ((1, 0, 0), (0, 0.2, 0.1), (0.7, 0.7, 1), (0.5, 0.5, 0.52), (2, 2, 2))] == [
        "red", "dark green", "light blue", "grey", "white",
    ]  # fmt: skip
