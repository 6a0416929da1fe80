import csv
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from pipeline.interpret.compare import compare, layers_sheet
from pipeline.interpret.sheet import house_style
from pipeline.layout import Layout

from .subjects import assert_legible, open_png, scores

LAYOUTS = {
    "conv1": Layout.of(["digit", "colour"], [28, 1, 3]),
    "features.deep_4": Layout.of(["digit", "colour"], [20, 6, 6]),
    "logits": Layout.of(["digit", "colour"], [2, 7, 1]),
}


def results() -> dict[str, dict[str, dict[str, Any]]]:
    found = {layer: scores(layout, own) for (layer, layout), own in zip(LAYOUTS.items(), (0.04, 0.5, 0.9), strict=True)}
    del found["logits"]["swap/score"]  # logits draw no image
    return found


@pytest.mark.parametrize("layers", [["conv1"], list(LAYOUTS)], ids=["one", "three"])
def test_tables_hold_the_main_scores_and_sizes_of_each_layer(layers: list[str], tmp_path: Path) -> None:
    given = {layer: results()[layer] for layer in layers}
    compare(given, {layer: LAYOUTS[layer] for layer in layers}, tmp_path / "comparison")
    assert {path.name for path in (tmp_path / "comparison").iterdir()} == {"scores.json", "scores.csv", "layers.png"}
    content = json.loads((tmp_path / "comparison/scores.json").read_text())
    assert list(content) == layers
    main = {"probe/own/digit", "probe/own/colour", "probe/gap", "swap/score"}
    for layer in layers:
        assert content[layer]["scores"] == {name: given[layer][name] for name in main if name in given[layer]}
        assert content[layer]["sizes"] == dict(zip(("residual", "digit", "colour"), LAYOUTS[layer].sizes, strict=True))
    with (tmp_path / "comparison/scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["layer"] for row in rows] == layers
    for row in rows:
        assert int(row["size/digit"]) == LAYOUTS[row["layer"]].sizes[1]
        assert float(row["probe/gap"]) == pytest.approx(given[row["layer"]]["probe/gap"]["value"])
        assert float(row["probe/gap/low"]) == pytest.approx(given[row["layer"]]["probe/gap"]["low"])
        swap = given[row["layer"]].get("swap/score")
        assert row["swap/score"] == (f"{swap['value']:.6f}" if swap else "")
    assert open_png(tmp_path / "comparison/layers.png").shape[1] >= 1300


@pytest.mark.parametrize("layers", [["conv1"], list(LAYOUTS)], ids=["one", "three"])
def test_bars_have_the_heights_of_the_scores_and_the_widths_of_the_sizes(layers: list[str]) -> None:
    given = {layer: results()[layer] for layer in layers}
    with house_style():
        figure = layers_sheet(given, {layer: LAYOUTS[layer] for layer in layers}).figure
        assert_legible(figure)
    bars, sizes = ([patch for patch in axes.patches if isinstance(patch, Rectangle)] for axes in figure.axes)
    names = ("probe/own/digit", "probe/own/colour", "probe/gap", "swap/score")
    wanted = [given[layer][name]["value"] for layer in layers for name in names if name in given[layer]]
    assert np.allclose([bar.get_height() for bar in bars], wanted)
    assert np.allclose(
        [bar.get_width() for bar in sizes],
        [size / LAYOUTS[layer].num_dims for layer in layers for size in LAYOUTS[layer].sizes],
    )
    spans = sorted((bar.get_x(), bar.get_x() + bar.get_width()) for bar in bars)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans)), "bars lie on bars"


def test_written_again_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        compare(results(), LAYOUTS, tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name
