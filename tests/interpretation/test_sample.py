import pytest
import torch

from pipeline.basis.layout import Layout
from pipeline.interpretation.edits import sample

LAYOUT = Layout.of(["digit", "colour"], [3, 2, 4])


@pytest.mark.parametrize("factor", LAYOUT.names)
def test_draws_are_standard_normal_and_nothing_else_changes(factor: str) -> None:
    codes = 5 + 3 * torch.randn(20_000, LAYOUT.num_dims, generator=torch.Generator().manual_seed(0))
    before = codes.clone()
    drawn = sample(factor, seed=7)(codes, LAYOUT)
    assert torch.equal(codes, before)
    for name in LAYOUT.names:
        if name != factor:
            assert torch.equal(drawn[:, LAYOUT.slice(name)], codes[:, LAYOUT.slice(name)]), name
    draws = drawn[:, LAYOUT.slice(factor)]
    size = draws.shape[1]
    tolerance = 4 / len(draws) ** 0.5
    assert draws.mean(dim=0).abs().max() < tolerance
    assert (torch.cov(draws.T) - torch.eye(size)).abs().max() < 2 * tolerance
    assert (draws.pow(4).mean(dim=0) - 3).abs().max() < 10 * tolerance  # a Gaussian's fourth moment


def test_draws_follow_the_seed_and_differ_by_row() -> None:
    codes = torch.zeros(4, LAYOUT.num_dims)
    edit = sample("colour", seed=1)
    first = edit(codes, LAYOUT)
    assert torch.equal(first, edit(codes, LAYOUT))
    assert torch.equal(first, sample("colour", seed=1)(codes, LAYOUT))
    assert not torch.equal(first, sample("colour", seed=2)(codes, LAYOUT))
    assert len({tuple(row) for row in first.tolist()}) == 4


def test_wrong_width_is_refused() -> None:
    with pytest.raises(ValueError, match=r"codes \(4, 8\) must be \[n, 9\]"):
        sample("digit", seed=0)(torch.zeros(4, 8), LAYOUT)
