"""Each warp alone, seen by where it moves a blob."""

import math

import pytest
import torch
from torch import Tensor

from pipeline.params import WarpParams
from pipeline.prepare.warp import Warps

SIDE, NUM = 65, 400
RADIUS = 18.0  # pixels from the centre to the blob
AXIS = torch.arange(SIDE, dtype=torch.float32) - SIDE // 2


def _limits(**limits: float) -> WarpParams:
    return WarpParams(**{"rotate": 0, "translate": 0, "scale": 0, "shear": 0, **limits})


def warp(images: Tensor, limits: WarpParams, seed: int) -> Tensor:
    return Warps.draw(limits, len(images), seed).apply(images, "zeros")


def _blobs(x: float, y: float) -> Tensor:
    image = torch.exp(-((AXIS - x) ** 2 + (AXIS[:, None] - y) ** 2) / 18)
    return image.expand(NUM, 1, SIDE, SIDE)


def _centres(images: Tensor) -> tuple[Tensor, Tensor]:
    mass = images.sum(dim=(1, 2, 3))
    return (images * AXIS).sum(dim=(1, 2, 3)) / mass, (images * AXIS[:, None]).sum(dim=(1, 2, 3)) / mass


def _check_uniform(draws: Tensor, limit: float) -> None:
    """Within ± limit, near both ends of it, and spread as a uniform draw is."""
    assert draws.abs().max() <= limit * 1.01
    assert draws.min() < -0.97 * limit
    assert draws.max() > 0.97 * limit
    assert draws.std().item() == pytest.approx(limit / math.sqrt(3), rel=0.1)


def test_without_limits_nothing_moves() -> None:
    images = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp(images, _limits(), seed=0), images, rtol=0, atol=1e-5)


def test_translation_is_a_share_of_the_side() -> None:
    x, y = _centres(warp(_blobs(0, 0), _limits(translate=0.2), seed=0))
    _check_uniform(x, 0.2 * SIDE)
    _check_uniform(y, 0.2 * SIDE)
    assert abs(torch.corrcoef(torch.stack((x, y)))[0, 1]) < 0.15


def test_rotation_is_in_degrees_and_about_the_centre() -> None:
    x, y = _centres(warp(_blobs(RADIUS, 0), _limits(rotate=30), seed=0))
    torch.testing.assert_close(torch.hypot(x, y), torch.full((NUM,), RADIUS), rtol=0, atol=0.05)
    _check_uniform(torch.rad2deg(torch.atan2(y, x)), 30)


def test_scale_is_a_share_of_the_size() -> None:
    x, y = _centres(warp(_blobs(RADIUS, 0), _limits(scale=0.2), seed=0))
    assert y.abs().max() < 0.05
    _check_uniform(x / RADIUS - 1, 0.2)


def test_shear_is_in_degrees() -> None:
    x, y = _centres(warp(_blobs(0, RADIUS), _limits(shear=20), seed=0))
    torch.testing.assert_close(y, torch.full((NUM,), RADIUS), rtol=0, atol=0.05)
    _check_uniform(torch.rad2deg(torch.atan(x / RADIUS)), 20)


def test_what_comes_from_outside_is_0() -> None:
    warped = warp(torch.ones(NUM, 1, 32, 32), _limits(translate=0.5), seed=0)
    assert warped.min() == 0
    assert warped.max() == pytest.approx(1, abs=1e-5)
    assert 0.4 < warped.mean() < 0.7  # each side loses a quarter on average


def test_the_seed_decides_and_each_image_has_its_own_warp() -> None:
    limits = WarpParams()
    first, again, other = (warp(_blobs(5, 5), limits, seed) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first[0], first[1])
