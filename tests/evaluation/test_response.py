from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.evaluation.response import KINDS, Responses, respond
from pipeline.flow import Flow, FlowConfig

LAYOUT = Layout.of(["digit", "colour"], [2, 2, 1])
FLOW = Flow(FlowConfig(5, num_blocks=2, width=8, depth=1, seed=3)).eval()
NUM = 700  # more than one part


class Reader:
    """A classifier of three classes that reads one number of the code, and nothing else."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:
        def decide(z: Tensor) -> Tensor:
            assert len(z) == len(images)
            value = FLOW(z)[0][:, self.dim]
            return torch.stack([value < -0.5, value.abs() <= 0.5, value > 0.5], dim=1).float() * 20

        return decide


@pytest.fixture(scope="module")
def code() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    FLOW.initialise(torch.randn(256, 5, generator=generator))
    return torch.randn(NUM, 5, generator=generator)


def measured(code: Tensor, dim: int, num: int = 40) -> Responses:
    pixels, original = np.zeros((NUM, 2, 2, 3), np.uint8), np.arange(NUM) // 2
    return respond(code, FLOW, LAYOUT, Reader(dim), pixels, original, num, seed=0)


@pytest.fixture(scope="module")
def of_digit(code: Tensor) -> Responses:
    return measured(code, dim=2)


def test_only_the_factor_that_is_read_has_a_response(of_digit: Responses) -> None:
    for kind in KINDS:
        for factor in ("residual", "colour"):
            score = of_digit.scores[f"response/{kind}/{factor}/changed"]
            assert score.value < 0.01, "but for rounding at the border of two classes"
            assert of_digit.scores[f"response/{kind}/{factor}/jensen_shannon"].value < 0.01
        assert of_digit.scores[f"response/{kind}/digit/changed"].low > 0.4


def test_a_draw_changes_the_class_as_often_as_the_prior_says(of_digit: Responses) -> None:
    """Both are of N(0, 1), cut at ±0.5: they differ with probability 1 − Σ p²; so do codes of the prior swapped."""
    inner = 0.38292
    expected = 1 - inner**2 - 2 * ((1 - inner) / 2) ** 2
    for kind in ("sample", "swap"):
        score = of_digit.scores[f"response/{kind}/digit/changed"]
        assert score.value == pytest.approx(expected, abs=0.03)
        assert score.low < expected < score.high
    walk = of_digit.scores["response/walk/digit/changed"]
    assert walk.value < expected  # it starts at the code


def test_transitions_count_every_edit(of_digit: Responses) -> None:
    for kind in KINDS:
        for factor in LAYOUT.names:
            assert np.sum(of_digit.transitions[kind][factor]) == NUM * 40
    table = np.array(of_digit.transitions["sample"]["digit"])
    changed = 1 - np.trace(table) / table.sum()
    assert of_digit.scores["response/sample/digit/changed"].value == pytest.approx(changed)


def test_the_same_seed_gives_the_same_numbers(code: Tensor) -> None:
    assert measured(code, 4, num=3) == measured(code, 4, num=3)
