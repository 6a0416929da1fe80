"""What is measured of how codes and latents are distributed, of each kind of network."""

from dataclasses import replace

import numpy as np
import pytest
from interpret.subjects import Parts, parts

from pipeline.evaluation.densities import densities
from pipeline.evaluation.evaluation import _label_scores, _preservation
from pipeline.scores.statistics.score import Score

LEFT_OUT = "nll/gain_over_gaussian is left out: a generator's latents are drawn from a Gaussian\n"


def measured(of: Parts) -> dict[str, Score]:
    iin = replace(of.iin, card=of.iin.card | {"rho": 0.9})
    return densities(replace(of, iin=iin).rows(), of.latents, 50, seed=0)


def test_a_generator_has_nothing_to_gain_over_a_gaussian(capsys: pytest.CaptureFixture[str]) -> None:
    of = parts(("shape",), num_rows=64)
    encoded = measured(of)
    assert LEFT_OUT not in capsys.readouterr().out
    drawn = measured(of.drawing())
    assert capsys.readouterr().out.count(LEFT_OUT) == 1
    assert encoded.pop("nll/gain_over_gaussian")
    assert drawn == encoded


def test_a_generators_images_are_its_own_and_have_no_error() -> None:
    of = parts(("shape",), num_rows=64)
    encoded, drawn = (_preservation(some.rows(), seed=0) for some in (of, of.drawing()))
    assert encoded.pop("reconstruction/squared_error").value > 0.5, "its images are noise"
    assert set(encoded) == set(drawn) == {"preserve/squared_error"}


def test_the_closed_form_is_of_the_training_latents_and_of_the_layout_of_t(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own factor finds a concept of four classes that z holds in three of its numbers; an untrained T does not."""
    monkeypatch.setattr("pipeline.scores.code_scores.per_dimension_scores", lambda *_: {})
    of = parts(("shape",), num_rows=200)
    mean = of.latents.mean.copy()
    mean[:, [0, 2, 4]] += 4 * np.eye(4, dtype=np.float32)[of.latents.labels["shape"]][:, :3]
    of = replace(of, latents=replace(of.latents, mean=mean))
    scores, _ = _label_scores(of.rows(), of.latents, 0, lambda _: None)
    assert scores["probe/latent/shape"].low > 0.8
    assert scores["probe/closed_form/shape"].low > 0.4, "in two dimensions of three"
    assert scores["probe/own/shape"].high < scores["probe/closed_form/shape"].low
    assert scores["probe/gap_over_closed_form"].high < 0
