import pytest
import torch

from pipeline.interpretation.edits import path


@pytest.mark.parametrize("num", [2, 3, 9])
def test_ends_are_exact_and_steps_are_equal(num: int) -> None:
    a, b = torch.randn(2, 32, generator=torch.Generator().manual_seed(0))
    points = path(a, b, num)
    assert points.shape == (num, 32)
    assert torch.equal(points[0], a)
    assert torch.equal(points[-1], b)
    steps = points.double().diff(dim=0)
    assert (steps - (b - a).double() / (num - 1)).abs().max() < 1e-6


@pytest.mark.parametrize("num", [1, 0, -3])
def test_a_line_needs_two_points(num: int) -> None:
    with pytest.raises(ValueError, match=f"at least 2 points, found {num}"):
        path(torch.zeros(3), torch.ones(3), num)


def test_ends_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3,\) and \(2, 3\)"):
        path(torch.zeros(3), torch.ones(2, 3), 4)
