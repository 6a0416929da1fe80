from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from extents import ball
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.evaluation.evaluation import _preservation
from pipeline.evaluation.response import EDITS, Responses, respond, responding
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import Iin
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.tables.images import Images
from pipeline.tables.latents import Latents

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


class Measuring:
    """A regression in thousands of one number of the code, beside an answer that never changes."""

    def __init__(self, dim: int, gain: float = 1000.0) -> None:
        self.dim, self.gain = dim, gain

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:
        def measure(z: Tensor) -> Tensor:
            assert len(z) == len(images)
            value = FLOW(z)[0][:, self.dim]
            return torch.stack([7 + self.gain * value, torch.ones(len(z))], dim=1)

        return measure


def rows_of(
    code: Tensor, cut: Reader | Measuring, labels: dict[str, np.ndarray] | None = None, radius: float = 1000.0
) -> Rows:
    """Two copies of each original; nobody asks for the network itself. T was trained on latents of that radius."""
    ids, original = np.arange(len(code)), np.arange(len(code)) // 2
    mean = FLOW.inverse(code).detach().numpy()
    labels = dict.fromkeys(LAYOUT.concepts, ids % 4) if labels is None else labels
    latents = Latents(
        ids, original, mean, np.zeros_like(mean), labels, {}, "0" * 64, "latent", "mean", np.arange(5), (2, 2)
    )
    images = Images(ids, original, np.zeros((len(code), 2, 2, 3), np.uint8), labels, {}, dict.fromkeys(labels, 4))
    backbone = SimpleNamespace(decides=isinstance(cut, Reader), draws_images=False)
    return Rows(Interpretation(Iin(FLOW, LAYOUT, {}, "1" * 64, ball(5, radius)), backbone, cut), latents, images, code)


def measured(code: Tensor, dim: int, num: int = 40) -> Responses:
    return respond(rows_of(code, Reader(dim)), np.arange(NUM), num, seed=0)


@pytest.fixture(scope="module")
def of_digit(code: Tensor) -> Responses:
    return measured(code, dim=2)


def test_only_the_factor_that_is_read_has_a_response(of_digit: Responses) -> None:
    for edit in EDITS:
        for factor in ("residual", "colour"):
            score = of_digit.scores[f"response/{edit}/{factor}/changed"]
            assert score.value < 0.01, "but for rounding at the border of two classes"
            assert of_digit.scores[f"response/{edit}/{factor}/jensen_shannon"].value < 0.01
        assert of_digit.scores[f"response/{edit}/digit/changed"].low > 0.4


def test_each_score_says_how_many_images_were_edited(of_digit: Responses) -> None:
    assert {score.details["images"] for score in of_digit.scores.values()} == {NUM}


def test_a_draw_changes_the_class_as_often_as_the_prior_says(of_digit: Responses) -> None:
    """Both are of N(0, 1), cut at ±0.5: they differ with probability 1 − Σ p²; so do codes of the prior swapped."""
    inner = 0.38292
    expected = 1 - inner**2 - 2 * ((1 - inner) / 2) ** 2
    for edit in ("sample", "swap"):
        score = of_digit.scores[f"response/{edit}/digit/changed"]
        assert score.value == pytest.approx(expected, abs=0.03)
        assert score.low < expected < score.high
    walk = of_digit.scores["response/walk/digit/changed"]
    assert walk.value < expected  # it starts at the code


def test_edits_that_lead_outside_of_what_t_was_trained_on_are_counted(code: Tensor) -> None:
    """A walk stays where it began but in one factor; a swap of all codes draws the same latents."""
    inside = {name: score for name, score in measured(code, 2, num=3).scores.items() if name.endswith("/outside")}
    assert len(inside) == len(EDITS) * len(LAYOUT.names)
    assert {(score.value, score.high, score.details["images"]) for score in inside.values()} == {(0, 0, NUM)}
    norm = np.linalg.norm(FLOW.inverse(code).detach().numpy(), axis=1)
    rows = rows_of(code, Reader(2), radius=float(np.quantile(norm, 0.8)))
    found = respond(rows, np.arange(NUM), 10, seed=0).scores
    for edit in EDITS:
        for factor in LAYOUT.names:
            score = found[f"response/{edit}/{factor}/outside"]
            assert 0.1 < score.low < score.value < score.high < 0.3, (edit, factor)


def test_transitions_count_every_edit(of_digit: Responses) -> None:
    for edit in EDITS:
        for factor in LAYOUT.names:
            assert np.sum(of_digit.transitions[edit][factor]) == NUM * 40
    table = np.array(of_digit.transitions["sample"]["digit"])
    changed = 1 - np.trace(table) / table.sum()
    assert of_digit.scores["response/sample/digit/changed"].value == pytest.approx(changed)


def test_the_same_seed_gives_the_same_numbers(code: Tensor) -> None:
    assert measured(code, 4, num=3) == measured(code, 4, num=3)


def sorted_by_class(code: Tensor) -> Rows:
    """Ten classes one after another, as a folder source has them; the last row's class is not known."""
    label = np.arange(NUM) * 10 // NUM
    label[-1] = -1
    return rows_of(code, Reader(2), {"digit": label, "colour": np.arange(NUM) % 2})


def test_of_a_set_sorted_by_class_all_classes_answer(code: Tensor) -> None:
    rows = sorted_by_class(code)
    chosen = responding(rows.latents, 60, seed=0)
    counts = np.bincount(rows.latents.labels["digit"][chosen][rows.latents.labels["digit"][chosen] >= 0], minlength=10)
    assert (len(chosen), counts.min() >= 3) == (60, True)
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, responding(rows.latents, 60, seed=0))
    assert not np.array_equal(chosen, responding(rows.latents, 60, seed=1))
    responses = respond(rows, chosen, 2, seed=0)
    for edit in EDITS:
        assert np.sum(responses.transitions[edit]["digit"]) == 2 * 60


@pytest.mark.parametrize("num", [None, NUM, 10 * NUM])
def test_all_images_answer_where_no_fewer_are_asked_for(code: Tensor, num: int | None) -> None:
    assert np.array_equal(responding(sorted_by_class(code).latents, num, seed=0), np.arange(NUM))


def test_images_of_one_original_are_refused(code: Tensor) -> None:
    """Nobody is there to swap with."""
    with pytest.raises(InputError, match=r"evaluate\.response_images: found 2 images of one original; swaps need two"):
        respond(rows_of(code, Reader(2)), np.array([4, 5]), 2, seed=0)


def test_values_of_no_class_move_in_their_standard_deviations(code: Tensor) -> None:
    """Two independent draws of N(0, 1) are 2 / √π apart, whatever the unit of the regression."""
    responses = respond(rows_of(code, Measuring(2)), np.arange(NUM), 40, seed=0)
    assert responses.transitions == {}
    assert {name.split("/")[-1] for name in responses.scores} == {"moved", "deviation", "outside"}
    expected = 2 / np.sqrt(np.pi)
    for edit in ("sample", "swap"):
        assert responses.scores[f"response/{edit}/digit/moved"].value == pytest.approx(expected, abs=0.05)
        assert responses.scores[f"response/{edit}/digit/deviation"].value == pytest.approx(1, abs=0.05)
    for factor in ("residual", "colour"):
        for edit in EDITS:
            assert responses.scores[f"response/{edit}/{factor}/moved"].value < 1e-3
    small = respond(rows_of(code, Measuring(2, gain=0.1)), np.arange(NUM), 40, seed=0)
    for name, score in small.scores.items():
        assert score.value == pytest.approx(responses.scores[name].value, abs=1e-3)


def test_a_network_that_gives_the_same_for_all_images_is_refused(code: Tensor) -> None:
    with pytest.raises(
        InputError, match=r"backbone\.output: what the network gives is no measure; values: the same in all rows"
    ):
        respond(rows_of(code, Measuring(2, gain=0.0)), np.arange(NUM), 2, seed=0)


def test_what_values_lose_on_the_way_back_is_measured_in_the_same(code: Tensor) -> None:
    with torch.no_grad():
        scores = _preservation(rows_of(code, Measuring(2)), seed=0)
    assert set(scores) == {"preserve/moved", "preserve/largest_move"}
    assert scores["preserve/moved"].value < 1e-5
    assert scores["preserve/moved"].chance == pytest.approx(np.sqrt(2), abs=0.1)
