"""The picture of a sweep: a panel for the depth and each factor, a point a trial, the chosen one apart."""

from dataclasses import replace

import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from pipeline.drawing.sheet import house_style
from pipeline.tracking.sweep_sheet import sweep_sheet
from pipeline.tuning.flow_file import Candidate, FlowChoice, Trial

from .files import LAYOUT, TRIALS


def panels(trials: tuple[Trial, ...]) -> list[Axes]:
    choice = FlowChoice(Candidate({"num_blocks": 6}, LAYOUT), LAYOUT.sizes, trials, chosen=1)
    with house_style(LAYOUT.names):
        sheet = sweep_sheet(choice)
    return [] if sheet is None else list(sheet.figure.axes)


def points(axes: Axes) -> dict[str, tuple[float, float, str]]:
    """Place, score and colour of the points, by the number that stands beside each."""
    lines = [line for line in axes.lines if line.get_marker() == "o"]
    return {
        text.get_text(): (*(float(line.get_data()[axis][0]) for axis in (0, 1)), to_hex(str(line.get_color())))
        for text, line in zip(axes.texts, lines, strict=True)
    }


def test_each_trial_stands_at_its_depth_and_score_and_the_chosen_one_is_apart() -> None:
    found = panels(TRIALS)
    assert [axes.get_xlabel() for axes in found] == ["blocks", *(f"size of {name}" for name in LAYOUT.names)]
    depths = points(found[0])
    assert {number: point[:2] for number, point in depths.items()} == {
        "0": (4.0, 0.81),
        "1": (6.0, 0.92),
        "2": (8.0, 0.9),
    }
    colours = {number: point[2] for number, point in depths.items()}
    assert colours["0"] == colours["2"] != colours["1"]
    assert found[0].get_ylabel() == "probe/gap"


def test_trials_of_one_size_stand_beside_each_other() -> None:
    places = [point[0] for point in points(panels(TRIALS)[1]).values()]
    assert len(set(places)) == 3
    assert sum(places) / 3 == pytest.approx(LAYOUT.sizes[0])
    assert max(abs(place - LAYOUT.sizes[0]) for place in places) < 0.5


def test_a_trial_that_failed_is_left_out_and_nats_stand_in_for_a_gap() -> None:
    without = [replace(trial, probe_gap=None, gap_low=None, gap_high=None) for trial in TRIALS]
    failed = replace(without[2], pair_nats=None, failure="diverged")
    found = panels((without[0], without[1], failed))
    assert found[0].get_ylabel() == "nll/pair_nats"
    assert {number: point[1] for number, point in points(found[0]).items()} == {"0": 92.0, "1": 91.0}
    assert panels((failed,)) == []
