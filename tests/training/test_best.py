"""Which step is the best: by score, by cost among those level with the highest, and only where it is allowed."""

import io

import pytest
import torch

from pipeline.training.best import BestStep, Merit

ERROR = 0.02  # standard error of a difference of two steps that have nothing in common


def merit(score: float, cost: float = 50.0, margin: float = 0.5, seed: int = 0) -> Merit:
    common = 0.1 * torch.randn(400, generator=torch.Generator().manual_seed(99)).double()
    own = ERROR / 2**0.5 * torch.randn(400, generator=torch.Generator().manual_seed(seed)).double()
    return Merit(score, score + common + own, cost, margin)


def chosen(*merits: Merit, patience: int | None = None) -> BestStep:
    best = BestStep(patience)
    for step, each in enumerate(merits):
        best.consider(step, each, {"weight": torch.tensor(float(step))})
    return best


@pytest.mark.parametrize(
    ("merits", "step"),
    [
        ([merit(0.8, seed=1)], 0),
        ([merit(0.8, seed=1), merit(0.9, 60, seed=2), merit(0.85, 40, seed=3)], 1),  # surely ahead
        ([merit(0.8, seed=1), merit(0.9, 60, seed=2), merit(0.89, 40, seed=3)], 2),  # level: fewer nats
        ([merit(0.8, seed=1), merit(0.9, 40, seed=2), merit(0.91, 60, seed=3)], 1),  # level: no fewer nats
        ([merit(0.8, seed=1), merit(0.9, 40, seed=2), merit(0.91, 60, seed=3), merit(0.95, 70, seed=4)], 3),
        ([merit(0.8, seed=1), merit(0.9, 40, -1.0, 2), merit(0.82, 40, seed=3)], 2),
        ([merit(0.8, seed=1), merit(0.9, 10, -1.0, 2)], 0),  # the start stays
        ([merit(0.8, margin=-1.0, seed=1), merit(0.5, seed=2)], 1),  # a random start is not to be kept
        ([merit(0.8, 90, -1.0, 1), merit(0.5, 70, -1.0, 2), merit(0.9, 80, -1.0, 3)], 1),
    ],
)
def test_which_step_is_the_best(merits: list[Merit], step: int) -> None:
    best = chosen(*merits)
    assert best.state["step"] == step
    assert best.state["model"]["weight"] == step


def test_steps_that_are_each_level_with_the_last_do_not_drift_below_the_highest() -> None:
    sinking = [merit(0.9 - 0.015 * k, 50 - k, seed=k) for k in range(6)]
    assert chosen(*sinking).state["step"] == 1


def test_equal_steps_are_level_and_the_first_stays() -> None:
    assert chosen(merit(0.8), merit(0.8), merit(0.8)).state["step"] == 0


def test_it_ends_after_so_many_looks_without_a_better_step() -> None:
    merits = [merit(0.8, seed=1), merit(0.9, seed=2), merit(0.7, seed=3), merit(0.6, seed=4)]
    assert not chosen(*merits, patience=3).ended
    assert chosen(*merits, patience=2).ended
    assert not chosen(*merits).ended
    assert not BestStep(1).ended


def test_a_step_on_its_way_to_be_allowed_is_no_idle_look() -> None:
    margins = [0.0, -4.0, -3.0, -2.5, -2.0, 0.1]
    rising = [merit(0.8 if k == 0 else 0.9, margin=margin, seed=k) for k, margin in enumerate(margins)]
    assert not any(chosen(*rising[: k + 1], patience=2).ended for k in range(6))
    assert chosen(*rising, patience=2).state["step"] == 5
    falling = [merit(0.8, seed=1), *(merit(0.9, margin=-k, seed=2) for k in (3.0, 4.0, 5.0))]
    assert chosen(*falling, patience=2).ended


def test_it_goes_on_from_its_state_and_keeps_its_own_copy_of_the_network() -> None:
    weight = torch.zeros(2)
    best = BestStep(None)
    best.consider(0, merit(0.8, seed=1), {"weight": weight})
    weight += 1
    assert best.state["model"]["weight"].tolist() == [0, 0]
    for later in (merit(0.9, 40, seed=2), merit(0.91, 60, seed=3)):
        best = BestStep(None, best.state)
        best.consider(best.state["looks"] + 1, later, {"weight": weight})
    assert best.state["model"]["weight"].tolist() == [1, 1]
    assert best.state["merit"]["cost"] == 40
    assert best.state["highest"]["score"] == 0.91


def test_a_state_read_onto_another_device_judges_as_the_one_that_was_written() -> None:
    """A device without values stands for a GPU, which a worker reads its checkpoint onto."""
    best = chosen(merit(0.8, seed=1), merit(0.9, 60, seed=2))
    written = io.BytesIO()
    torch.save(best.state, written)
    written.seek(0)
    state = torch.load(written, map_location="meta", weights_only=True)
    assert state["model"]["weight"].device.type == "meta"
    elsewhere = BestStep(None, state)
    for each in (best, elsewhere):
        each.consider(2, merit(0.89, 40, seed=3), {"weight": torch.tensor(2.0)})
    assert elsewhere.state == best.state
    assert best.state["step"] == 2
