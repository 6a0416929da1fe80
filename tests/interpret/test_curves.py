from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.drawing.sheet import house_style
from pipeline.errors import InputError
from pipeline.interpret.curves import Curves, curves_csv, curves_sheet, read_curves

from .subjects import METRICS, assert_legible, texts


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    (tmp_path / "metrics.jsonl").write_text(METRICS)
    return tmp_path / "metrics.jsonl"


def test_table_has_a_whole_row_for_each_validation(metrics: Path) -> None:
    # nats are 90 − step / 10, logged each 20 steps; the mean is over those since the validation before
    assert curves_csv(read_curves(metrics, 80, "closed_form")) == (
        "step,train_pair_nats,val_pair_nats\n40,87.000000,87.000000\n80,83.000000,83.000000\n"
    )


def test_curves_are_the_points_of_the_file(metrics: Path) -> None:
    curves = read_curves(metrics, 80, "closed_form")
    with house_style():
        figure = curves_sheet(curves).figure
        assert_legible(figure)
        words = [text.get_text() for text in texts(figure)]
    main, gap, rate = figure.axes
    drawn = {line.get_label(): line.get_xydata() for line in main.get_lines()}
    assert np.array_equal(drawn["training batch"], [[step, 90 - step / 10] for step in range(20, 101, 20)])
    assert np.array_equal(drawn["held-out pairs"], [[0, 89], [40, 87], [80, 83]])
    assert np.allclose(gap.get_lines()[0].get_xydata(), [[0, 0.8], [40, 0.84], [80, 0.88]])
    assert np.allclose(rate.get_lines()[0].get_ydata(), [0.0024, 0.0018, 0.0012, 0.0006, 0])
    assert {"83.0", "0.88", "step 0, the closed form: 89.0 nats, gap 0.80"} < set(words)


@pytest.mark.parametrize(
    ("kept", "said"),
    [
        (0, "kept: step 0, the closed form (89.0 nats, gap 0.80)"),
        (40, "kept: step 40 (87.0 nats, gap 0.84)"),
        (80, "kept: step 80 (83.0 nats, gap 0.88)"),
    ],
)
def test_the_step_that_was_kept_is_marked_on_both_curves_and_said(kept: int, said: str, metrics: Path) -> None:
    curves = read_curves(metrics, kept, "closed_form")
    with house_style():
        figure = curves_sheet(curves).figure
        assert_legible(figure)
        assert said in [text.get_text() for text in texts(figure)]
    for axes, curve in zip(figure.axes, (curves.val, curves.gap), strict=False):
        marks = [line for line in axes.get_lines() if line.get_color() == "#b4500f" and len(line.get_xdata()) == 2]
        rings = [line for line in axes.get_lines() if line.get_markeredgecolor() == "#b4500f"]
        assert [list(line.get_xdata()) for line in marks] == [[kept, kept]]
        assert [kept, dict(curve)[kept]] in [list(line.get_xydata()[0]) for line in rings]
        assert axes.get_ylim()[0] <= dict(curve)[kept] <= axes.get_ylim()[1]


def test_without_a_probe_there_is_no_panel_of_the_gap_and_no_word_of_it(tmp_path: Path) -> None:
    kept = [line for line in METRICS.splitlines() if "probe_gap" not in line]
    kept += [f'{{"step": {step}, "val/pair_nats": {91 - step / 10}}}' for step in (0, 40)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(kept))
    curves = read_curves(tmp_path / "metrics.jsonl", 40, "random")
    with house_style():
        figure = curves_sheet(curves).figure
        assert_legible(figure)
        words = [text.get_text() for text in texts(figure)]
    assert len(figure.axes) == 2
    assert {"step 0, a random start: 91.0 nats", "kept: step 40 (87.0 nats)"} < set(words)


@pytest.mark.parametrize(("start", "said"), [(20.0, "20.0"), (300.0, "300.0"), (1e5, "1e+05")])
def test_a_start_far_from_all_else_is_in_sight_and_does_not_set_the_scale(start: float, said: str) -> None:
    curves = overfitting(64.0)
    curves.val[0, 1] = start
    with house_style():
        figure = curves_sheet(replace(curves, kept=0)).figure
        assert_legible(figure)
        low, top = figure.axes[0].get_ylim()
        assert top < 120
        assert low < start
        lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
        assert ("held-out pairs above the scale" in lines) == (start > top)
        assert f"step 0, the closed form: {said} nats, gap 0.86" in [text.get_text() for text in texts(figure)]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("not json\n", "no curves of a training"),
        ('{"train/pair_nats": 1.0}\n', "KeyError: 'step'"),
        ('{"step": 1, "train/pair_nats": 1.0, "train/learning_rate": 0.1}\n', "no point of 'val/pair_nats'"),
        (METRICS.partition("\n")[2], "no point of 'val/pair_nats' at step 0"),
        (METRICS.replace('"step": 80, "val', '"step": 90, "val'), "no point of 'val/pair_nats' at step 80"),
    ],
)
def test_a_file_without_curves_is_refused_by_name(content: str, found: str, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(content)
    with pytest.raises(InputError, match=r"metrics\.jsonl: ") as error:
        read_curves(tmp_path / "metrics.jsonl", 80, "closed_form")
    assert found in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.jsonl: not there"):
        read_curves(tmp_path / "metrics.jsonl", 80, "closed_form")


def overfitting(highest: float) -> Curves:
    """A training whose loss falls on and on, and held-out pairs that rise from step 400, the kept one, to `highest`."""
    steps = np.arange(20.0, 2001, 20)
    train = np.stack((steps, 90 - 40 * (1 - np.exp(-steps / 400))), axis=1)
    val_steps = np.arange(0.0, 2001, 200)
    val = np.stack((val_steps, [75, 70, 62, *np.geomspace(64, highest, 8)]), axis=1)
    gap = np.stack((val_steps, 0.9 - 1e-4 * np.abs(val_steps - 400)), axis=1)
    return Curves(train, val, np.stack((steps, np.full(100, 0.006)), axis=1), gap, 400, "the closed form")


@pytest.mark.parametrize("highest", [80.0, 150.0, 1e3, 1e6])
def test_an_overfitting_training_loses_no_point(highest: float) -> None:
    curves = overfitting(highest)
    with house_style():
        figure = curves_sheet(curves).figure
        assert_legible(figure)
        main = figure.axes[0]
        low, top = main.get_ylim()
        lines = {line.get_label(): line for line in main.get_lines()}
        corner = main.get_legend().get_window_extent()
        figure.canvas.draw()
        held_out = main.transData.transform(lines["held-out pairs"].get_xydata())
    assert ((curves.train[:, 1] > low) & (curves.train[:, 1] < top)).mean() > 0.95, "but its very first points"
    assert top - low < 6 * 45, "and room enough to tell them apart"
    seen = curves.val[curves.val[:, 1] <= top]
    marked = lines.get("held-out pairs above the scale")
    assert len(seen) + (0 if marked is None else len(marked.get_xdata())) == len(curves.val)
    if marked is not None:
        assert list(marked.get_xdata()) == list(curves.val[len(seen) :, 0])
        assert set(marked.get_ydata()) == {top}
        assert not marked.get_clip_on()
        assert lines["held-out pairs"].get_clip_on()
    inside = held_out[: len(seen)]
    covered = (inside > (corner.x0, corner.y0)).all(axis=1) & (inside < (corner.x1, corner.y1)).all(axis=1)
    assert not covered.any(), "the legend lies on a point"
    assert ("1e+06" if highest == 1e6 else f"{highest:.1f}") in [text.get_text() for text in texts(figure)]


def test_one_exploded_step_does_not_flatten_the_rest() -> None:
    curves = overfitting(64.0)
    curves.train[50, 1] = 1e7
    curves.train[60, 1] = -1e7
    with house_style():
        low, top = curves_sheet(curves).figure.axes[0].get_ylim()
    assert -100 < low < 50 < 70 < top < 300


@pytest.mark.parametrize("num", [1, 2, 3, 20])
def test_of_few_points_each_is_seen_whole(num: int) -> None:
    steps = np.arange(20.0, 20 * num + 1, 20)
    train = np.stack((steps, 900 * np.exp(-steps / 30) - 87), axis=1)
    looks = np.array([[0, -80.0], [20.0 * num, -87.04]])
    rate = np.stack((steps, np.full(num, 0.006)), axis=1)
    curves = Curves(train, looks, rate, np.zeros((0, 2)), 20 * num, "the closed form")
    with house_style():
        figure = curves_sheet(curves).figure
        assert_legible(figure)
        words = [text.get_text() for text in texts(figure)]
    main, rate = figure.axes
    low, top = main.get_ylim()
    assert ((train[:, 1] > low) & (train[:, 1] < top)).all()
    drawn = [main.get_lines()[0], rate.get_lines()[0]]
    assert [(line.get_marker(), line.get_clip_on()) for line in drawn] == (
        [("o", False)] * 2 if num < 5 else [("None", True)] * 2
    )
    assert "−87.0" in words
    assert all(tick == round(tick) for tick in rate.get_xticks())


def test_the_caption_says_what_the_held_out_pairs_are_measured_with() -> None:
    with house_style():
        said = " ".join(text.get_text() for text in curves_sheet(overfitting(80.0)).figure.texts)
    assert "the moving average of its parameters, where train.ema_decay keeps one" in said
