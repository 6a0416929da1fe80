import math

import pytest
import torch

from pipeline.basis.layout import Layout
from pipeline.interpretation.edits import move, walk

LAYOUT = Layout.of(["digit", "colour"], [2, 3, 1])


def points(codes: torch.Tensor, num: int, **more: float) -> torch.Tensor:
    return torch.stack(list(walk("digit", num, 0, **more)(codes, LAYOUT)))


def test_the_prior_is_where_it_stays_and_neighbours_are_alike_as_theory_says() -> None:
    walked = points(torch.full((4000, 6), 3.0), 60, rate=0.2)[..., 2:5]
    late = walked[30:]
    assert late.mean() == pytest.approx(0, abs=0.02)
    assert late.var() == pytest.approx(1, abs=0.03)
    for lag in (1, 5):
        found = (late[:-lag] * late[lag:]).mean()
        assert found == pytest.approx(math.exp(-0.2 * lag), abs=0.03)


def test_it_starts_beside_the_code() -> None:
    """After one step the mean is exp(−rate) of the code and the variance 1 − exp(−2 rate)."""
    first = points(torch.full((20000, 6), 2.0), 1, rate=0.1)[0, :, 2:5]
    assert first.mean() == pytest.approx(2 * math.exp(-0.1), abs=0.01)
    assert first.var() == pytest.approx(1 - math.exp(-0.2), abs=0.01)


def test_other_factors_and_the_argument_stay() -> None:
    codes = torch.randn(5, 6)
    kept = codes.clone()
    walked = points(codes, 4)
    assert torch.equal(codes, kept)
    for step in walked:
        assert torch.equal(step[:, [0, 1, 5]], codes[:, [0, 1, 5]])
    assert torch.equal(walked, points(codes, 4))


def test_what_is_no_walk_is_refused() -> None:
    with pytest.raises(ValueError, match=r"walk: codes \(5, 4\) must be \[n, 6\]"):
        walk("digit", 3, 0)(torch.zeros(5, 4), LAYOUT)
    with pytest.raises(ValueError, match="walk: rate 0 must be above 0"):
        walk("digit", 3, 0, rate=0)
    with pytest.raises(ValueError, match="shape"):
        walk("shape", 3, 0)(torch.zeros(5, 6), LAYOUT)


def test_a_move_goes_along_a_direction_whatever_its_length() -> None:
    codes = torch.randn(4, 6)
    for direction in ([0.0, 2.0, 0.0], torch.tensor([0.0, 0.1, 0.0])):
        moved = move("digit", direction, 1.5)(codes, LAYOUT)
        assert torch.allclose(moved - codes, torch.tensor([0, 0, 0, 1.5, 0, 0]).expand(4, 6), atol=1e-6)


@pytest.mark.parametrize("direction", [[1.0, 2.0], [0.0, 0.0, 0.0], [float("nan")] * 3])
def test_a_direction_that_is_none_is_refused(direction: list[float]) -> None:
    with pytest.raises(ValueError, match=r"move: direction \(\d,\) must be \[3\] and not 0"):
        move("digit", direction, 1.0)(torch.zeros(1, 6), LAYOUT)
