from dataclasses import replace

import numpy as np
import pytest

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.params import FlowParams
from pipeline.tables.latents import Latents
from pipeline.tuning.estimate import estimate_layout

NUM_DIMS = 10


def _latents(noise: float) -> Latents:
    """The mean of a latent is its digit's in 6 dimensions, its colour's in 1, and nobody's in 3."""
    rng = np.random.default_rng(0)
    labels = {"digit": rng.integers(40, size=4000), "colour": rng.integers(40, size=4000)}
    mean = rng.standard_normal((4000, NUM_DIMS), dtype=np.float32)
    mean[:, :6] = rng.standard_normal((40, 6))[labels["digit"]]
    mean[:, 6] = rng.standard_normal(40)[labels["colour"]]
    rows = np.arange(4000)
    scale = np.full_like(mean, noise)
    return Latents(rows, rows, mean, scale, labels, {}, "ab" * 32, "latent", "mean", np.arange(mean.shape[1]), (8, 8))


def _expected(noise: float) -> tuple[int, ...]:
    share = 1 / (1 + noise**2)  # of the variance that pairs share
    weights = np.exp([1.0, 0.6 * share, 0.1 * share])
    concepts = np.floor(NUM_DIMS * weights / weights.sum()).astype(int)[1:]
    return (NUM_DIMS - int(concepts.sum()), *map(int, concepts))


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_sizes_follow_what_pairs_share_of_noisy_draws(noise: float) -> None:
    layout = estimate_layout(_latents(noise), FlowParams(), seed=0)
    assert layout == Layout.of(["digit", "colour"], _expected(noise))


def test_noise_takes_from_a_concept() -> None:
    assert _expected(0.0) != _expected(3.0)  # else the test above would not see whether noise is drawn


def test_stated_sizes_are_taken_as_they_are() -> None:
    layout = estimate_layout(_latents(0.0), FlowParams(sizes=(1, 2, 7)), seed=0)
    assert layout == Layout.of(["digit", "colour"], [1, 2, 7])


def test_the_estimate_is_the_same_each_time() -> None:
    params = FlowParams(size_method="covariance")
    assert estimate_layout(_latents(0.5), params, 3) == estimate_layout(_latents(0.5), params, 3)


def test_constant_dimensions_are_named_and_take_nothing_from_a_concept(capsys: pytest.CaptureFixture[str]) -> None:
    latents = _latents(0.0)
    layout = estimate_layout(latents, FlowParams(), seed=0)
    assert capsys.readouterr().out == ""
    mean = np.insert(latents.mean, [2, 9], np.float32(0.1), axis=1)
    more = replace(latents, mean=mean, scale=np.zeros_like(mean))
    residual, *concepts = layout.sizes
    assert estimate_layout(more, FlowParams(), seed=0).sizes == (residual + 2, *concepts)
    assert capsys.readouterr().out == (
        "latents of layer latent: 2 of 12 dimensions are constant, their places are the residual's: 2, 10\n"
    )


def test_rotations_of_more_than_2048_dimensions_are_refused() -> None:
    wide = np.zeros((4, 2049), np.float32)
    latents = replace(_latents(0.0), mean=wide, scale=wide)
    for mixing in ("rotation", "learned_rotation"):
        with pytest.raises(InputError) as caught:
            estimate_layout(latents, FlowParams(mixing=mixing), seed=0)
        assert str(caught.value) == (
            f"flow.mixing: found '{mixing}' of 2049 dimensions (layer latent), which takes up to 2048; accepted "
            "above is shuffle"
        )
    sizes = (2000, 40, 9)
    assert estimate_layout(latents, FlowParams(mixing="shuffle", sizes=sizes), seed=0).sizes == sizes
