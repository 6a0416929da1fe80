import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from interpret.subjects import Parts, assert_legible, find, open_png, parts, without
from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.hooks import state_sha256
from pipeline.basis.layout import Layout
from pipeline.drawing.sheet import house_style
from pipeline.errors import InputError
from pipeline.interpret.curves import read_curves
from pipeline.interpret.decisions import KINDS, decision_sheet, example_sheet, response_sheet
from pipeline.interpret.figures import draw_figures
from pipeline.interpret.subject import Subject
from pipeline.params import InterpretParams
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import Score

MEASURES = ("changed", "total_variation", "jensen_shannon", "class_deviation")


def response_scores(layout: Layout) -> Scores:
    names = itertools.product(KINDS, layout.names, MEASURES)
    return Scores(
        {
            f"response/{kind}/{factor}/{measure}": Score(0.1 * number % 1, 0.1 * number % 1, 0.99)
            for number, (kind, factor, measure) in enumerate(names)
        }
    )


def transitions(layout: Layout, classes: int) -> dict[str, list[list[int]]]:
    rng = np.random.default_rng(0)
    return {factor: (rng.integers(0, 50, (classes, classes)) + 200 * np.eye(classes, dtype=int)).tolist()
            for factor in layout.names}  # fmt: skip


def classifying(concepts: tuple[str, ...], layer: str, classes: int = 10) -> Parts:
    """The toy parts, with an untrained classifier of at least as wide a layer as the latents."""
    network = Classifier(classes, 8, seed=0).eval().requires_grad_(False)
    card = {"kind": "classifier", "output": "logits", "input": {"size": None, "mean": [0.5] * 3, "std": [0.5] * 3}}
    return parts(concepts).on(
        ClassifierBackbone(network, card, "0" * 64, state_sha256(network), torch.device("cpu")), layer
    )


def subject(concepts: tuple[str, ...], classes: int = 10) -> Subject:
    """Of all rows, whatever their contrast."""
    drawn = classifying(concepts, "stage2", classes).subject()
    return replace(drawn, candidates=np.arange(len(drawn.pixels)))


@pytest.mark.parametrize(
    "concepts", [("shape",), ("shape", "hue"), ("a_very_long_name_of_a_concept",), ("shape", "hue", "size")]
)
@pytest.mark.parametrize("classes", [2, 10, 1000])
def test_no_text_is_cut_or_covered(concepts: tuple[str, ...], classes: int) -> None:
    layout = parts(concepts).iin.layout
    short, long = (
        [f"c{number}" for number in range(classes)],
        [f"a class of name {number}" for number in range(classes)],
    )
    with house_style():
        assert_legible(response_sheet(layout, response_scores(layout)).figure)
        for names in (None, short, long, ["a class of a very long name indeed, as ImageNet has them"] * classes):
            assert_legible(decision_sheet(layout, transitions(layout, classes), names).figure)
            assert_legible(example_sheet(subject(concepts, classes), names).figure)


def test_a_missing_response_is_named() -> None:
    layout = parts(("shape",)).iin.layout
    lacking = without(response_scores(layout), "response/walk/shape/changed")
    with house_style(), pytest.raises(InputError, match=r"scores.json: no score 'response/walk/shape/changed'; run"):
        response_sheet(layout, lacking)


def test_the_figures_of_a_classifier(tmp_path: Path) -> None:
    of = classifying(("shape", "hue"), "stage1")
    (tmp_path / "metrics.jsonl").write_text(
        '{"step": 20, "train/pair_nats": 9.0, "train/learning_rate": 0.1}\n{"step": 20, "val/pair_nats": 9.0}\n'
    )
    curves = read_curves(tmp_path / "metrics.jsonl")
    scores = Scores({**of.scores, **response_scores(of.iin.layout)})
    counts = {"sample": transitions(of.iin.layout, 10)}
    for folder in ("a", "b"):
        draw_figures(tmp_path / folder, of.subject(), scores, counts, curves, InterpretParams())
    names = ["curves", "decision_examples", "decisions", "probe_matrix", "responses"]
    assert sorted(path.stem for path in (tmp_path / "a").iterdir()) == names
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    picture = open_png(tmp_path / "a" / "decision_examples.png")
    shown = [
        row for row, tile in enumerate(of.images.pixels.repeat(4, axis=1).repeat(4, axis=2)) if find(picture, tile)
    ]
    assert len(shown) == 6
