import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from interpret.subjects import METRICS, Parts, assert_legible, find, open_png, parts, without
from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.hooks import state_sha256
from pipeline.basis.layout import Layout
from pipeline.drawing.sheet import Sheet, house_style
from pipeline.errors import InputError
from pipeline.interpret.curves import read_curves
from pipeline.interpret.decisions import KINDS, decision_sheet, edited_images, example_sheet, response_sheet
from pipeline.interpret.figures import Measured, draw_figures
from pipeline.interpret.subject import Subject
from pipeline.interpret.turns import turns_of
from pipeline.params import InterpretParams
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import Score

MEASURES = ("changed", "total_variation", "jensen_shannon", "class_deviation")
MOVES = ("moved", "deviation")
EDITED, ALL = "200 test images", {"images": 1200}


def response_scores(layout: Layout, measures: tuple[str, ...] = MEASURES) -> Scores:
    names = itertools.product(KINDS, layout.names, measures)
    return Scores(
        {
            f"response/{kind}/{factor}/{measure}": Score(
                0.1 * number % 1, 0.1 * number % 1, 0.99, details={"images": 1200}
            )
            for number, (kind, factor, measure) in enumerate(names)
        }
    )


def transitions(layout: Layout, classes: int) -> dict[str, list[list[int]]]:
    rng = np.random.default_rng(0)
    return {factor: (rng.integers(0, 50, (classes, classes)) + 200 * np.eye(classes, dtype=int)).tolist()
            for factor in layout.names}  # fmt: skip


def classifying(concepts: tuple[str, ...], layer: str, classes: int = 10, output: str = "logits") -> Parts:
    """The toy parts, with an untrained classifier of at least as wide a layer as the latents."""
    network = Classifier(classes, 8, seed=0).eval().requires_grad_(False)
    card = {"kind": "classifier", "output": output, "input": {"size": None, "mean": [0.5] * 3, "std": [0.5] * 3}}
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
        assert_legible(response_sheet(layout, response_scores(layout, MOVES), decides=False).figure)
        for names in (None, short, long, ["a class of a very long name indeed, as ImageNet has them"] * classes):
            assert_legible(decision_sheet(layout, transitions(layout, classes), EDITED, names).figure)
            assert_legible(example_sheet(subject(concepts, classes), names).figure)


def test_a_missing_response_is_named() -> None:
    layout = parts(("shape",)).iin.layout
    lacking = without(response_scores(layout), "response/walk/shape/changed")
    with house_style(), pytest.raises(InputError, match=r"scores.json: no score 'response/walk/shape/changed'; run"):
        response_sheet(layout, lacking)


def test_the_figures_of_a_classifier(tmp_path: Path) -> None:
    of = classifying(("shape", "hue"), "stage1")
    (tmp_path / "metrics.jsonl").write_text(METRICS)
    curves = read_curves(tmp_path / "metrics.jsonl", 80, "closed_form")
    scores = Scores({**of.scores, **response_scores(of.iin.layout)})
    counts = {"sample": transitions(of.iin.layout, 10)}
    for folder in ("a", "b"):
        draw_figures(
            tmp_path / folder, of.subject(), Measured(scores, counts, turns_of(of.subject())), curves, InterpretParams()
        )
    names = ["counterfactuals", "curves", "decision_examples", "decisions", "embeddings", "pairs", "probe_matrix"]
    names += ["responses"]
    assert sorted(path.stem for path in (tmp_path / "a").iterdir()) == names
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    picture = open_png(tmp_path / "a" / "decision_examples.png")
    shown = [
        row for row, tile in enumerate(of.images.pixels.repeat(4, axis=1).repeat(4, axis=2)) if find(picture, tile)
    ]
    assert len(shown) == 6


def caption(sheet: Sheet) -> str:
    return " ".join(text.get_text() for text in sheet.figure.texts)


def test_a_caption_says_how_many_classes_are_left_out() -> None:
    layout = parts(("shape",)).iin.layout
    counts = np.zeros((1000, 1000), dtype=int)
    counts[np.arange(25), np.arange(25)] = [3] * 20 + [1] * 5
    with house_style():
        some = decision_sheet(layout, dict.fromkeys(layout.names, counts.tolist()), EDITED)
        said = "Shown are the 20 commonest of 1,000 classes; 5 others took 7.7 % of the decisions."
        assert said in caption(some)
        counts[20:] = 0
        few = decision_sheet(layout, dict.fromkeys(layout.names, counts.tolist()), EDITED)
        assert "Shown are the 20 commonest of 1,000 classes; no other was decided for." in caption(few)
        assert "Shown are" not in caption(decision_sheet(layout, transitions(layout, 10), EDITED))
        examples = caption(example_sheet(subject(("shape",), 1000)))
        assert "commonest of 1,000 classes; " in examples
        assert "Shown are" not in caption(example_sheet(subject(("shape",), 2)))


def test_captions_say_how_many_images_were_edited() -> None:
    layout = parts(("shape",)).iin.layout
    scores = response_scores(layout)
    assert edited_images(layout, scores) == "1,200 test images"
    with house_style():
        decided = decision_sheet(layout, transitions(layout, 10), edited_images(layout, scores))
        for sheet in (response_sheet(layout, scores), decided):
            assert "Each factor of 1,200 test images is" in caption(sheet)


def test_colours_of_decisions_have_a_scale() -> None:
    layout = parts(("shape",)).iin.layout
    with house_style():
        figure = decision_sheet(layout, transitions(layout, 10), EDITED).figure
    *tables, scale = figure.axes
    assert len(tables) == 2
    assert [label.get_text() for label in scale.get_xticklabels()] == ["0 %", "50 %", "100 %"]
    assert {image.get_clim() for axes in figure.axes for image in axes.images} == {(0, 1)}


def test_an_example_says_what_its_image_is_labelled_as() -> None:
    names = [f"c{number}" for number in range(10)]
    of = subject(("shape",))
    backbone = of.rows.interpretation.backbone
    knowing = replace(backbone, card={**backbone.card, "concept": "shape"})
    rows = replace(of.rows, interpretation=replace(of.rows.interpretation, backbone=knowing))
    rows = replace(
        rows, images=replace(rows.images, labels={"shape": np.where(rows.images.labels["shape"] == 0, -1, 7)})
    )
    with house_style():
        unknown, known = caption(example_sheet(of, names)), caption(example_sheet(replace(of, rows=rows), names))
    assert "labelled" not in unknown
    assert 0 < known.count("labelled: c7") < 6


def test_the_figures_of_a_network_that_gives_values(tmp_path: Path) -> None:
    of = classifying(("shape", "hue"), "stage1", output="values")
    (tmp_path / "metrics.jsonl").write_text(METRICS)
    scores = Scores({**of.scores, **response_scores(of.iin.layout, MOVES)})
    curves = read_curves(tmp_path / "metrics.jsonl", 80, "closed_form")
    draw_figures(tmp_path / "figures", of.subject(), Measured(scores, {}), curves, InterpretParams())
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == {
        *("curves", "embeddings", "pairs", "probe_matrix", "responses")
    }
    with house_style():
        said = caption(response_sheet(of.iin.layout, scores, decides=False))
    assert "What does the output answer to?" in said
    assert "classifier" not in said
    assert "decision" not in said
