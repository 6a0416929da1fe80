"""What is measured of how codes and latents are distributed, of each kind of network."""

from dataclasses import replace

import pytest
from interpret.subjects import Parts, parts

from pipeline.evaluation.evaluation import densities
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
