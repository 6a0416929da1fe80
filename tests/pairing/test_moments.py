"""Moments of all pairs against those of many drawn ones, and the shrinkage of few rows."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.covariance import ledoit_wolf_shrinkage

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import closed_form
from pipeline.pairing.moments import latent_extent, latent_moments, shrunk_correlation
from pipeline.pairing.sampler import PairSampler, pair_sampler
from pipeline.tables.latents import Latents

NUM, COPIES, NUM_DIMS = 400, 3, 6


def _latents(num: int = NUM, noise: float = 0.3) -> Latents:
    """Two dimensions of the kind, one of the shade, three of nobody; three copies an image, each with its own shade."""
    rng = np.random.default_rng(1)
    original = np.repeat(np.arange(num), COPIES)
    kind = np.repeat(rng.integers(5, size=num), COPIES)
    shade = rng.integers(7, size=num * COPIES)
    mean = rng.standard_normal((num, NUM_DIMS))[original] + 0.3 * rng.standard_normal((num * COPIES, NUM_DIMS))
    mean[:, :2] += 2 * rng.standard_normal((5, 2))[kind]
    mean[:, 2] += 2 * rng.standard_normal(7)[shade]
    mean = (mean @ rng.standard_normal((NUM_DIMS, NUM_DIMS)) + 5).astype(np.float32)
    rows, scale = np.arange(len(mean)), np.full_like(mean, noise)
    labels = {"kind": kind, "shade": shade}
    return Latents(rows, original, mean, scale, labels, {}, "ab" * 32, "z", "mean", np.arange(NUM_DIMS), (8, 8))


def _share(rows: np.ndarray, original: np.ndarray) -> float:
    return shrunk_correlation(rows, original)[1]


def test_they_are_those_of_very_many_drawn_pairs() -> None:
    latents = _latents()
    moments = latent_moments(latents)
    pairs = pair_sampler(latents, 0, "test").draw(0, 400_000)
    rng = np.random.default_rng(3)
    a, b = (latents.draw(rng, rows).astype(np.float64) - moments.mean.numpy() for rows in (pairs.a, pairs.b))
    spread = np.sqrt(np.diag(moments.covariance.numpy()))
    for k in (1, 2):
        drawn = a[pairs.concept == k].T @ b[pairs.concept == k] / (pairs.concept == k).sum()
        difference = (drawn + drawn.T) / 2 - moments.pairs[k - 1].numpy()
        assert np.abs(difference / np.outer(spread, spread)).max() < 0.01
    difference = (moments.covariance.numpy() - np.cov(a.T)) / np.outer(spread, spread)
    assert np.abs(difference).max() < 0.02  # shrunk a little


def test_rows_that_are_missing_or_alone_take_no_part() -> None:
    x = np.random.default_rng(0).standard_normal((6, 2))
    labels = np.array([0, 0, 1, -1, 0, 2])
    original = np.array([0, 1, 2, 3, 1, 5])  # value 0: rows 0 and 1, 4 (of one original); 1 and 2 are alone
    found = PairSampler({"kind": labels}, original, 0, "test").second_moments(x)[0]
    pairs = [(0, 1, 1 / 2), (0, 4, 1 / 2), (1, 0, 1), (4, 0, 1)]  # each of rows 0, 1 and 4 as often as the others
    expected = sum(weight * np.outer(x[a], x[b]) for a, b, weight in pairs) / 3
    assert found == pytest.approx((expected + expected.T) / 2, abs=1e-12)


def test_graded_pairs_are_the_near_ones() -> None:
    rng = np.random.default_rng(0)
    age = rng.normal(40, 10, 500)
    x = np.stack([age - age.mean(), rng.standard_normal(500)], axis=1)
    sampler = PairSampler({"age": np.zeros(500, np.int64)}, np.arange(500), 0, "test", {"age": age / 2})
    found = sampler.second_moments(x)[0]
    assert found[0, 0] / age.var() > 0.8  # of any two rows: 0
    assert abs(found[1, 1]) < 0.05


def test_they_are_the_same_each_time_and_the_closed_form_of_them_finds_the_concepts() -> None:
    latents = _latents()
    first, again = latent_moments(latents), latent_moments(latents)
    assert torch.equal(first.pairs, again.pairs)
    layout = Layout(("residual", "kind", "shade"), (3, 2, 1))
    codes = closed_form(first, layout).codes(torch.from_numpy(latents.mean).double()).numpy()
    for name, where in zip(layout.names, layout.slices, strict=True):
        for concept, label in latents.labels.items():
            means = np.stack([codes[label == value, where].mean(axis=0) for value in np.unique(label)])
            explained = means[label].var(axis=0).max() if label.min() == 0 else 0.0
            assert (explained > 0.5) == (name == concept), (name, concept, explained)


def test_few_rows_are_shrunk_more_than_many_and_copies_are_no_rows() -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2000, 20))
    few, many = (_share(rows[:num], np.arange(num)) for num in (40, 2000))
    assert few > 0.7
    correlated = rows @ (np.eye(20) + 0.5 * rng.standard_normal((20, 20)))
    correlated = (correlated - correlated.mean(axis=0)) / correlated.std(axis=0)
    assert _share(correlated, np.arange(2000)) < 0.02 < many
    once = _share(correlated[:60], np.arange(60))
    copied = _share(np.repeat(correlated[:60], 10, axis=0), np.repeat(np.arange(60), 10))
    assert copied == pytest.approx(once, rel=1e-9)
    assert _share(np.repeat(correlated[:60], 10, axis=0), np.arange(600)) < 0.2 * once


@pytest.mark.parametrize("num", [60, 150, 1000])
def test_it_makes_rows_that_were_never_seen_nearly_as_likely_as_any_share_can(num: int) -> None:
    rng = np.random.default_rng(5)
    every = rng.standard_normal((num + 20_000, 40)) * np.logspace(0, -2, 40) @ rng.standard_normal((40, 40))
    every /= every[:num].std(axis=0)
    every -= every[:num].mean(axis=0)
    few, fresh = every[:num], every[num:]

    def nats(share: float) -> float:
        covariance = (1 - share) * few.T @ few / num + share * np.eye(40)
        return -float(multivariate_normal.logpdf(fresh, cov=covariance, allow_singular=False).mean())

    best = min(nats(share) for share in np.logspace(-6, 0, 200))
    ledoit_wolf = nats(ledoit_wolf_shrinkage(few, assume_centered=True))
    assert nats(max(_share(few, np.arange(num)), 1e-6)) - best < 0.1 * (ledoit_wolf - best)


def test_constant_dimensions_and_fewer_rows_than_dimensions_make_no_trouble() -> None:
    latents = _latents(num=4, noise=0.0)
    mean = np.insert(np.tile(latents.mean, 3), 4, np.float32(0.1), axis=1)
    mean += np.random.default_rng(0).standard_normal(mean.shape).astype(np.float32) * (np.arange(19) != 4)
    few = replace(latents, mean=mean, scale=np.zeros_like(mean), labels={"kind": np.repeat([0, 0, 1, 1], COPIES)})
    found = closed_form(latent_moments(few), Layout(("residual", "kind"), (18, 1)))
    assert found.matrix.isfinite().all()
    z = torch.from_numpy(mean).double()
    assert (found.codes(z) @ found.inverse + found.loc - z).abs().max() < 1e-9


def test_a_concept_without_a_pair_is_named() -> None:
    latents = _latents(num=5)
    alone = replace(latents, labels={"kind": np.repeat(np.arange(5), COPIES)})
    with pytest.raises(InputError, match="concept 'kind': no two originals share a value"):
        latent_moments(alone)


def _rows(latents: Latents, rows: slice) -> Latents:
    labels = {name: label[rows] for name, label in latents.labels.items()}
    parts = (latents.id, latents.original, latents.mean, latents.scale)
    id_, original, mean, scale = (part[rows] for part in parts)
    return replace(latents, id=id_, original=original, mean=mean, scale=scale, labels=labels)


@pytest.mark.parametrize("num", [30, 2000])
def test_the_extent_holds_what_is_like_the_training_rows_and_nothing_else(num: int) -> None:
    """Held-out rows lie inside, however few rows there are; a step that is small among all is far in its direction."""
    everything = _latents(2 * num + 2000)
    extent = latent_extent(_rows(everything, slice(num * COPIES)))
    other = _rows(everything, slice(num * COPIES, None))
    drawn = other.draw(np.random.default_rng(0))
    outside = (extent.distance(drawn) > 1).mean()
    assert outside < (0.03 if num == 30 else 0.003)
    assert num == 30 or outside > 0.0002
    assert (extent.distance(2 * (drawn - extent.loc) + extent.loc) > 1).mean() > outside + 0.05
    spread, directions = np.linalg.eigh(np.cov(drawn.T))
    least, most = (extent.loc + 6 * np.sqrt(spread[0]) * directions[:, [k]].T for k in (0, -1))
    assert extent.distance(least) > 4 * extent.distance(most)
    assert num == 30 or extent.distance(least) > 1.2 > 0.8 > extent.distance(most)


def test_a_dimension_without_variance_has_an_extent() -> None:
    latents = _latents(200, noise=0)
    latents.mean[:, 3] = 2.0
    extent = latent_extent(latents)
    assert (extent.distance(latents.mean) <= 1).mean() > 0.998
    assert np.isfinite(extent.matrix).all()
