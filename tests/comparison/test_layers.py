import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from imports import SOURCES, imported_deeply, imported_modules
from interpret.subjects import assert_legible, open_png, scores, without
from matplotlib.patches import Rectangle

from pipeline.basis.layout import Layout
from pipeline.comparison.depth import depth_sheet, training_sheet
from pipeline.comparison.layers import compare, layers_sheet, read_comparison
from pipeline.drawing.sheet import house_style
from pipeline.errors import InputError
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import Score

LAYOUTS = {
    "conv1": Layout.of(["digit", "colour"], [28, 1, 3]),
    "features.deep_4": Layout.of(["digit", "colour"], [20, 6, 6]),
    "logits": Layout.of(["digit", "colour"], [2, 7, 1]),
}


NAMES = {"scores.json", "scores.csv", "layers.png"}


def results() -> dict[str, Scores]:
    layers = {
        layer: scores(layout, own) for (layer, layout), own in zip(LAYOUTS.items(), (0.04, 0.5, 0.9), strict=True)
    }
    return layers | {"logits": without(layers["logits"], "swap/score")}  # logits draw no image


@pytest.mark.parametrize("layers", [["conv1"], list(LAYOUTS)], ids=["one", "three"])
def test_tables_hold_the_main_scores_and_sizes_of_each_layer(layers: list[str], tmp_path: Path) -> None:
    given = {layer: results()[layer] for layer in layers}
    compare(given, {layer: LAYOUTS[layer] for layer in layers}, LAYOUTS, [], tmp_path / "comparison")
    depth = {"depth.png"} if len(layers) > 1 else set()
    assert {path.name for path in (tmp_path / "comparison").iterdir()} == NAMES | depth
    content = json.loads((tmp_path / "comparison/scores.json").read_text())
    assert list(content) == layers
    main = {"probe/own/digit", "probe/own/colour", "probe/gap", "swap/score"}
    for layer in layers:
        assert content[layer]["scores"] == {name: given[layer][name].as_dict() for name in main if name in given[layer]}
        assert content[layer]["sizes"] == dict(zip(("residual", "digit", "colour"), LAYOUTS[layer].sizes, strict=True))
    with (tmp_path / "comparison/scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == layers
    for row in rows:
        assert int(row["size/digit"]) == LAYOUTS[row["layer"]].sizes[1]
        assert float(row["probe/gap"]) == pytest.approx(given[row["layer"]]["probe/gap"].value)
        assert float(row["probe/gap/low"]) == pytest.approx(given[row["layer"]]["probe/gap"].low)
        swap = given[row["layer"]].get("swap/score")
        assert row["swap/score"] == (f"{swap.value:.6f}" if swap else "")
    assert open_png(tmp_path / "comparison/layers.png").shape[1] >= 1300


@pytest.mark.parametrize("layers", [["conv1"], list(LAYOUTS)], ids=["one", "three"])
def test_bars_have_the_heights_of_the_scores_and_the_widths_of_the_sizes(layers: list[str]) -> None:
    given = {layer: results()[layer] for layer in layers}
    with house_style():
        figure = layers_sheet(given, {layer: LAYOUTS[layer] for layer in layers}).figure
        assert_legible(figure)
    bars, sizes = ([patch for patch in axes.patches if isinstance(patch, Rectangle)] for axes in figure.axes)
    names = ("probe/own/digit", "probe/own/colour", "probe/gap", "swap/score")
    wanted = [given[layer][name].value for layer in layers for name in names if name in given[layer]]
    assert np.allclose([bar.get_height() for bar in bars], wanted)
    assert np.allclose(
        [bar.get_width() for bar in sizes],
        [size / LAYOUTS[layer].num_dims for layer in layers for size in LAYOUTS[layer].sizes],
    )
    spans = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "bars lie on bars"


@pytest.mark.parametrize("concept", ["colour", "a_rather_long_name", "wearing_a_necktie_of_any_kind_at_all"])
def test_names_of_scores_keep_apart(concept: str) -> None:
    layout = Layout.of(["digit", concept], [28, 1, 3])
    with house_style():
        figure = layers_sheet({"conv1": scores(layout)}, {"conv1": layout}).figure
        figure.canvas.draw()
        boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert min(beside.x0 - box.x1 for box, beside in pairwise(boxes)) >= 20


def test_written_again_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        compare(results(), LAYOUTS, LAYOUTS, [], tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_layers_are_compared_by_the_estimated_sizes_and_shown_by_their_own(tmp_path: Path) -> None:
    others = {layer: Layout(layout.names, layout.sizes[::-1]) for layer, layout in LAYOUTS.items()}
    for name, estimates in (("own", LAYOUTS), ("others", others)):
        compare(results(), LAYOUTS, estimates, [], tmp_path / name)
    same = {name: (tmp_path / "own" / name).read_bytes() == (tmp_path / "others" / name).read_bytes() for name in NAMES}
    assert all(same.values())
    assert (tmp_path / "own/depth.png").read_bytes() != (tmp_path / "others/depth.png").read_bytes()


def test_a_network_whose_training_was_watched_has_a_picture_of_it(tmp_path: Path) -> None:
    curves = [{"step": 20, "train/loss": 1.0}] + [
        {"step": step, **{f"val/share/conv1/{name}": 0.1 + step / 1000 for name in LAYOUTS["conv1"].names}}
        for step in range(50, 601, 50)
    ]
    compare(results(), LAYOUTS, LAYOUTS, curves, tmp_path / "comparison")
    assert {path.name for path in (tmp_path / "comparison").iterdir()} == NAMES | {"depth.png", "training.png"}


@pytest.mark.parametrize("concepts", [("digit",), ("a_very_long_name_of_a_concept", "b", "c", "d", "e", "f", "g")])
@pytest.mark.parametrize("layers", [2, 9])
@pytest.mark.parametrize("measure", ["changed", "moved"])
def test_depth_and_training_are_legible_and_show_what_they_are_given(
    concepts: tuple[str, ...], layers: int, measure: str
) -> None:
    layout = Layout.of(list(concepts), [3, *range(1, len(concepts) + 1)])
    responses = {f"response/sample/{name}/{measure}": Score(0.5, 0.45, 0.56) for name in layout.names}
    given = Scores({**scores(layout), **responses})
    names = [f"features.{number}.conv" for number in range(layers)]
    entries = [
        {"step": step, **{f"val/share/{layer}/{name}": 0.01 * step for name in layout.names for layer in names}}
        for step in (10, 20, 30)
    ]
    with house_style():
        depth = depth_sheet(dict.fromkeys(names, given), dict.fromkeys(names, layout)).figure
        training = training_sheet(entries, names[:2], layout).figure
        assert_legible(depth)
        assert_legible(training)
    assert [len(axes.lines) for axes in depth.axes] == [len(layout.names), len(concepts), len(layout.names)]
    shares = [line.get_ydata()[0] for line in depth.axes[0].lines]
    assert shares == [size / layout.num_dims for size in layout.sizes]
    assert [list(line.get_ydata()) for line in training.axes[0].lines] == [[0.1, 0.2, 0.3]] * len(layout.names)


def test_layers_without_a_concept_are_compared_by_likelihood_and_draws(tmp_path: Path) -> None:
    layouts = {name: Layout.of([], [size]) for name, size in (("conv1", 32), ("conv2", 8))}
    found = {name: Scores({"nll/gain_over_gaussian": Score(3.0, 2.0, 4.0)}) for name in layouts}
    found["conv1"] = Scores({**found["conv1"], "frechet/flow": Score(1.5, 1.0, 2.0)})
    compare(found, layouts, layouts, [], tmp_path / "comparison")
    assert {path.name for path in (tmp_path / "comparison").iterdir()} == NAMES | {"depth.png"}
    scores, sizes = read_comparison(tmp_path / "comparison")
    assert {name: set(of) for name, of in scores.items()} == {
        "conv1": {"nll/gain_over_gaussian", "frechet/flow"},
        "conv2": {"nll/gain_over_gaussian"},
    }
    assert sizes == {"conv1": {"residual": 32}, "conv2": {"residual": 8}}
    with house_style():
        figure = layers_sheet(found, layouts).figure
        assert_legible(figure)
    assert len(figure.axes) == 1


@pytest.mark.parametrize(("num", "ticks"), [(12, 12), (60, 9)])
def test_of_a_training_that_was_watched_often_few_steps_are_named(num: int, ticks: int) -> None:
    layout = Layout.of(["digit"], [3, 2])
    entries = [{"step": 10 * (n + 1), "val/share/a/residual": 0.6, "val/share/a/digit": 0.4} for n in range(num)]
    with house_style():
        figure = training_sheet(entries, ["a"], layout).figure
        assert_legible(figure)
    (axes,) = figure.axes
    steps = [tick for tick in axes.get_xticks() if 0 <= tick <= 10 * num]
    assert len(steps) <= ticks
    assert {line.get_marker() for line in axes.lines} == ({"o"} if num == 12 else {""})


def test_a_layer_without_a_score_of_the_depth_is_named() -> None:
    lacking = Scores(without(results()["conv1"], "probe/own/colour"), "results/conv1/scores.json")
    line = r"results/conv1/scores\.json: no score 'probe/own/colour'; run `dvc repro`"
    with house_style(), pytest.raises(InputError, match=line):
        depth_sheet({**results(), "conv1": lacking}, LAYOUTS)


def test_the_stage_starts_without_scikit_learn_and_scipy() -> None:
    modules = imported_deeply("stages.compare")
    names = {name.split(".")[0] for module in modules for name in imported_modules(SOURCES[module], typing=False)}
    assert "matplotlib" in names
    assert not names & {"ray", "mlflow", "sklearn", "scipy"}
