"""Figures of a map without a concept: what they are, what they show, and which directions lead."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.drawing.sheet import house_style, upscale
from pipeline.flow.mixing import MIXINGS
from pipeline.interpret.curves import curves_sheet, read_curves
from pipeline.interpret.directions import Effort, leading_directions
from pipeline.interpret.figures import Measured, draw_figures
from pipeline.interpret.grids import path_sheet
from pipeline.interpret.plain import directions_sheet, drawn_sheet, leading
from pipeline.params import InterpretParams

from .subjects import METRICS, Parts, assert_legible, find, open_png, parts, texts


@pytest.fixture(scope="module")
def of() -> Parts:
    return parts(())


def test_the_figures_of_a_map_without_a_concept(of: Parts, tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(METRICS)
    curves = read_curves(tmp_path / "metrics.jsonl", 80, "closed_form")
    for name in ("a", "b"):
        draw_figures(tmp_path / name, of.subject(), Measured(of.scores, {}), curves, InterpretParams())
    found = {path.name for path in (tmp_path / "a").iterdir()}
    assert found == {"reconstructions.png", "drawn.png", "directions.png", "path.png", "curves.png"}
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in found)


def test_the_same_numbers_are_drawn_by_way_of_the_map_and_without_it(of: Parts, tmp_path: Path) -> None:
    subject = of.subject()
    with house_style():
        sheet = drawn_sheet(subject, 8)
        assert_legible(sheet.figure)
        sheet.save(tmp_path / "drawn.png")
    picture = open_png(tmp_path / "drawn.png")
    rng = np.random.default_rng(draw_seed(0, "interpret/drawn"))
    numbers = torch.from_numpy(rng.standard_normal((30, subject.layout.num_dims), dtype=np.float32))
    rows = np.zeros(30, np.int64)
    for pixels, left in ((subject.draw_codes(numbers, rows), True), (subject.draw_latents(numbers, rows), False)):
        places = [find(picture, tile) for tile in upscale(pixels, 96)]
        assert all(len(place) == 1 for place in places)
        assert {place[0][1] < picture.shape[1] / 2 for place in places} == {left}


def test_lines_say_the_likelihood_of_each_point(of: Parts) -> None:
    subject = of.subject()
    with house_style():
        figure = path_sheet(subject, 5).figure
        assert_legible(figure)
        said = [text.get_text() for text in texts(figure)]
    z = subject.rows.means[:1]
    code, log_abs_det = of.iin.flow(z)
    wanted = -0.5 * (code**2).sum() - 0.5 * code.shape[1] * np.log(2 * np.pi) + log_abs_det
    assert subject.log_likelihood(z)[0] == pytest.approx(wanted.item(), rel=1e-5)
    numbers = [text for text in said if text.replace("−", "").isdecimal()]
    assert len(numbers) == len(subject.candidates) // 2 * 2 * 5, "a pair of images, two lines of five points"
    assert any("log p(z)" in text for text in said)
    with house_style():
        other = [text.get_text() for text in texts(path_sheet(parts().subject(), 5).figure)]
    assert not any("log p(z)" in text for text in other), "with concepts T is no density of z alone"


def test_directions_are_in_the_order_of_what_they_change() -> None:
    """The output is linear in the code, with singular values 3, 2 and 1 along known directions."""
    layout, turn = Layout.of((), [3]), torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0)))[0]

    def outputs(codes: Tensor, _rows: object) -> Tensor:
        return codes @ turn @ torch.diag(torch.tensor([3.0, 1.0, 2.0]))

    codes = torch.randn(20, 3, generator=torch.Generator().manual_seed(1))
    found = leading_directions(outputs, codes, layout, 3, Effort(tried=64, outputs=1000))["residual"]
    alike = (found @ turn[:, [0, 2, 1]]).abs()
    assert torch.allclose(alike, torch.eye(3), atol=1e-4)


def test_a_figure_says_how_far_the_directions_are_those_of_other_images(of: Parts) -> None:
    subject = of.subject()
    of_all = leading(subject, 3)  # fewer images than are drawn at once: each draw has all of them
    assert of_all.images == len(subject.rows.images)
    assert np.allclose(of_all.agreement, 1, atol=1e-3)
    assert of_all.changes[0] == 1
    assert (np.diff(of_all.changes) <= 0.05).all()
    with house_style():
        figure = directions_sheet(subject).figure
        assert_legible(figure)
        said = " ".join(text.get_text() for text in texts(figure))
    assert "change 1.00, agreement 1.00" in said
    assert said.count("direction ") >= subject.layout.num_dims


def test_of_several_trainings_it_says_how_alike_their_directions_are_by_what_they_change(of: Parts) -> None:
    """A map whose code is shuffled has the same directions in other coordinates; another map has others."""
    subject, rows = of.subject(), of.rows()
    assert leading(subject, 3).over_trainings.shape == (3, 0)
    shuffled, other = copy.deepcopy(of.iin.flow), copy.deepcopy(of.iin.flow)
    shuffled.layers.append(MIXINGS["shuffle"](subject.layout.num_dims, torch.Generator().manual_seed(1)))
    with torch.no_grad():
        for number, parameter in enumerate(other.parameters()):
            parameter += 0.5 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    same, another = (rows.by(replace(of.iin, flow=flow)) for flow in (shuffled, other))
    assert not torch.allclose(same.codes, rows.codes, atol=0.1)
    found = leading(replace(subject, others=(same, another)), 3)
    assert found.over_trainings[:, 0] == pytest.approx(np.ones(3), abs=1e-3)
    assert found.over_trainings[:, 1].min() < 0.9
    with house_style():
        figure = directions_sheet(replace(subject, others=(same,))).figure
        assert_legible(figure)
        said = " ".join(text.get_text() for text in texts(figure))
        alone = " ".join(text.get_text() for text in texts(directions_sheet(subject).figure))
    assert "agreement over trainings 1.00" in said
    assert "training" not in alone


def test_the_curves_of_a_map_without_a_concept_speak_of_none(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text(METRICS.replace(', "val/probe_gap": 0.8', ""))
    curves = replace(read_curves(tmp_path / "metrics.jsonl", 80, "closed_form"), gap=np.empty((0, 2)))
    with house_style():
        figure = curves_sheet(curves, shared=False).figure
        assert_legible(figure)
        said = " ".join(text.get_text() for text in texts(figure))
    assert "concept" not in said
    assert "fewest held-out nats" in said
