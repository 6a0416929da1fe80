"""The smallest move that turns a decision: known for linear decisions, absent where a factor has no say."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.interpret.counterfactual import counterfactuals, reach

RNG = np.random.default_rng(0)
CODES = torch.from_numpy(RNG.normal(size=(60, 6))).float()
DIMS = slice(2, 5)


def linear(weight: Tensor, bias: Tensor | None = None):
    return lambda codes: codes @ weight + (0 if bias is None else bias)


@pytest.mark.parametrize("classes", [2, 3, 8])
def test_of_a_linear_decision_it_is_the_way_to_the_nearest_border(classes: int) -> None:
    weight = torch.from_numpy(RNG.normal(size=(6, classes))).float()
    found = counterfactuals(linear(weight), CODES, DIMS)
    logits = CODES @ weight
    own = logits.argmax(dim=1)
    gaps = logits.gather(1, own[:, None]) - logits
    slopes = (weight[DIMS].T[own][:, None] - weight[DIMS].T[None]).norm(dim=2)
    distance = torch.where(slopes > 0, gaps / slopes, torch.inf).scatter(1, own[:, None], torch.inf).amin(dim=1)
    near = distance.numpy() < 0.9 * reach(3)
    assert near.sum() > 40
    assert found.turned[near].all()
    assert (found.length[near] >= distance.numpy()[near] - 1e-5).all()
    ratio = found.length[near] / distance.numpy()[near]
    assert np.median(ratio) < 1.02
    assert ratio.max() < 1.5  # where the nearest border is that of another class beyond a first one


def test_a_moved_code_is_decided_for_another_class_and_differs_in_the_factor_alone() -> None:
    weight = torch.from_numpy(RNG.normal(size=(6, 4))).float()
    decide = linear(weight)
    found = counterfactuals(decide, CODES, DIMS)
    assert np.array_equal(decide(CODES).argmax(dim=1), found.before)
    assert np.array_equal(decide(found.codes).argmax(dim=1), found.after)
    assert np.array_equal(found.after != found.before, found.turned)
    others = [0, 1, 5]
    assert torch.equal(found.codes[:, others], CODES[:, others])
    moved = (found.codes - CODES).norm(dim=1).numpy()
    assert np.allclose(moved[found.turned], found.length[found.turned], atol=1e-5)
    assert (moved[~found.turned] == 0).all()


def test_a_factor_that_has_no_say_turns_nothing() -> None:
    weight = torch.from_numpy(RNG.normal(size=(6, 3))).float()
    weight[DIMS] = 0
    found = counterfactuals(linear(weight), CODES, DIMS)
    assert not found.turned.any()
    assert np.isnan(found.length).all()
    assert torch.equal(found.codes, CODES)


def test_a_border_that_lies_too_far_is_not_crossed() -> None:
    weight = torch.zeros(6, 2)
    weight[3] = torch.tensor([0.0, 1.0])
    near, far = (counterfactuals(linear(weight, torch.tensor([away, 0.0])), CODES, DIMS) for away in (3.0, 100.0))
    distance = (3.0 - CODES[:, 3]).abs().numpy()
    assert np.array_equal(near.turned, distance < reach(3))
    assert 40 < near.turned.sum() < len(CODES)
    assert np.allclose(near.length[near.turned], distance[near.turned], atol=0.01)
    assert not far.turned.any()


def test_a_curved_border_is_found_where_it_is_the_nearest() -> None:
    """Another class outside of a ball of radius 2: the way out is straight from the middle."""
    codes = CODES.clone()
    codes[:, DIMS] *= 0.3
    found = counterfactuals(
        lambda of: torch.stack([4 - (of[:, DIMS] ** 2).sum(dim=1), torch.zeros(len(of))], dim=1), codes, DIMS
    )
    radius = codes[:, DIMS].norm(dim=1).numpy()
    assert found.turned.all()
    assert np.allclose(found.length, 2 - radius, atol=0.02)


def test_decisions_without_a_gradient_are_refused() -> None:
    with pytest.raises(ValueError, match="no gradient"):
        counterfactuals(lambda codes: codes.detach()[:, :3], CODES, DIMS)


def test_the_reach_is_a_quantile_of_distances_of_draws() -> None:
    rng = np.random.default_rng(1)
    for size in (1, 4, 20):
        distance = np.linalg.norm(rng.normal(size=(200_000, size)) - rng.normal(size=(200_000, size)), axis=1)
        assert reach(size) == pytest.approx(np.quantile(distance, 0.999), rel=0.02)
