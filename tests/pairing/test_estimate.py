from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import Moments, spectra
from pipeline.pairing.moments import latent_moments
from pipeline.pairing.sampler import PairSampler
from pipeline.params import FlowParams, Params
from pipeline.params.data import DataParams
from pipeline.scores.statistics.originals import permuted_rows
from pipeline.tables.latents import Latents
from pipeline.tuning.estimate import MOST_TRIED, _floors, estimate_layout, spectrum_to_try

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


def test_by_the_spectrum_a_concept_gets_as_many_dimensions_as_hold_it(capsys: pytest.CaptureFixture[str]) -> None:
    layout = estimate_layout(_latents(0.3), FlowParams(sizes="spectrum"), seed=0)
    assert layout == Layout.of(["digit", "colour"], [3, 6, 1])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["spectrum of 'digit'", "spectrum of 'colour'"]
    assert [line.rpartition(" ")[2] for line in lines] == ["6", "1"]


def test_copies_of_an_original_are_shuffled_as_one() -> None:
    """Else 400 rows of 40 originals would pass for 400: what one original has by chance would count for its digit."""
    latents = _latents(0.3)
    rng = np.random.default_rng(1)
    original = np.repeat(np.arange(40), 10)
    mean = latents.mean[:40].copy()
    mean[:, :2] = rng.standard_normal((40, 2))
    labels = {"digit": rng.integers(4, size=40)[original]}
    mean[:, 0] += 4 * np.arange(4)[labels["digit"][::10]]
    copies = replace(
        latents,
        id=np.arange(400),
        original=original,
        mean=mean[original] + 0.1 * rng.standard_normal((400, NUM_DIMS), dtype=np.float32),
        scale=latents.scale[:400],
        labels=labels,
    )
    assert estimate_layout(copies, FlowParams(sizes="spectrum"), seed=0).sizes == (9, 1)


def test_a_concept_that_the_latents_do_not_hold_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    latents = _latents(0.3)
    labels = latents.labels | {"mood": np.random.default_rng(1).integers(5, size=4000)}
    with pytest.raises(InputError) as caught:
        estimate_layout(replace(latents, labels=labels), FlowParams(sizes="spectrum"), seed=0)
    assert str(caught.value).startswith("flow.sizes: found spectrum, but pairs of 'mood' correlate by 0.0")
    assert str(caught.value).endswith("or not linearly; accepted here are estimate or a list")
    assert "\n" not in str(caught.value)
    params = Params(data=DataParams(concepts=("digit", "colour", "mood")))
    assert spectrum_to_try(replace(latents, labels=labels), params) is None
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "not tried" in line]
    assert line.startswith("sizes by the spectrum are not tried: pairs of 'mood' correlate by 0.0")
    assert line.endswith("it does not hold it, or not linearly"), "the params say nothing of the spectrum"


def test_a_sweep_around_the_estimate_tries_the_spectrum_too_and_one_around_other_sizes_does_not() -> None:
    latents = _latents(0.3)
    assert spectrum_to_try(latents, Params()) == Layout.of(["digit", "colour"], [3, 6, 1])
    assert spectrum_to_try(latents, Params(flow=FlowParams(sizes="spectrum"))) is None


def test_floors_are_the_largest_of_the_spectra_of_permuted_labels() -> None:
    """Each from moments of the latents as they are; that these are made white once for all changes nothing."""
    latents = _latents(0.3)
    turn = np.random.default_rng(1).standard_normal((NUM_DIMS, NUM_DIMS), dtype=np.float32)
    latents = replace(latents, mean=latents.mean @ turn)
    moments, rng = latent_moments(latents), np.random.default_rng(draw_seed(7, "spectrum"))
    centred, largest = latents.mean - moments.mean.numpy(), []
    for _ in range(19):
        source = permuted_rows(latents.original, rng)
        labels = {name: column[source] for name, column in latents.labels.items()}
        pairs = PairSampler(labels, latents.original, 0, "moments").second_moments(centred)
        largest.append(spectra(Moments(moments.mean, moments.covariance, torch.from_numpy(pairs)))[:, 0])
    assert _floors(latents, moments, 7).tolist() == pytest.approx(torch.stack(largest).amax(dim=0).tolist(), rel=1e-9)


def test_of_a_wide_layer_a_sweep_does_not_try_the_spectrum_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    wide = np.zeros((4000, MOST_TRIED + 1), np.float32)
    assert spectrum_to_try(replace(_latents(0.0), mean=wide, scale=wide), Params()) is None
    assert capsys.readouterr().out == (
        "sizes by the spectrum are not tried, as layer latent gives the flow 769 dimensions, and above 768 they can "
        "take minutes; flow.sizes: spectrum takes them all the same\n"
    )
