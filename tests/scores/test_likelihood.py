import numpy as np
import pytest
from scipy.stats import multivariate_normal

from pipeline.scores.fit.density import bits_per_dim, gaussian_nats, likelihood_scores


def test_bits_per_dim_of_a_standard_normal_pair() -> None:
    num_dims = 7
    nats = 2 * num_dims * 0.5 * np.log(2 * np.pi * np.e)  # entropy of two latents
    score = bits_per_dim(nats, num_dims)
    assert score.value == pytest.approx(0.5 * np.log2(2 * np.pi * np.e))
    assert (score.low, score.high) == (None, None)  # one mean says nothing about its spread


def test_bits_per_dim_of_many_pairs_has_the_interval_of_their_mean() -> None:
    nats = 95 + 4 * np.random.default_rng(0).normal(size=900)
    score = bits_per_dim(nats, 32)
    assert score.value == pytest.approx(nats.mean() / (64 * np.log(2)))
    assert (score.high - score.low) / 2 == pytest.approx(1.96 * 4 / 30 / (64 * np.log(2)), rel=0.15)
    with pytest.raises(ValueError, match="nats: row 0 holds nan"):
        bits_per_dim(np.nan, 32)
    with pytest.raises(ValueError, match="n_dims: found 0"):
        bits_per_dim(nats, 0)


def test_gaussian_nats_agree_with_scipy() -> None:
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(5, 5))
    train, test = (rng.normal(size=(n, 5)) @ mix + 3 for n in (400, 50))
    density = multivariate_normal(train.mean(axis=0), np.cov(train.T, ddof=0))
    np.testing.assert_allclose(gaussian_nats(train, test), -density.logpdf(test))
    blocks = np.array_split(train, 7)
    np.testing.assert_allclose(gaussian_nats(lambda: iter(blocks), test), -density.logpdf(test))


def test_on_its_training_rows_no_other_gaussian_is_better() -> None:
    train = np.random.default_rng(0).normal(size=(200, 3))
    best = gaussian_nats(train, train).mean()
    assert best < gaussian_nats(1.1 * train, train).mean()
    assert best < gaussian_nats(train + 0.1, train).mean()


def test_gaussian_nats_refuse_what_has_no_density() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(100, 3)), rng.normal(size=(5, 3))
    constant = train * [1, 0, 1]
    with pytest.raises(ValueError, match="train: dimension 1 is constant"):
        gaussian_nats(constant, test)
    with pytest.raises(ValueError, match="singular"):
        gaussian_nats(train[:3], test)
    with pytest.raises(ValueError, match="as wide as"):
        gaussian_nats(train, test[:, :2])
    with pytest.raises(ValueError, match="test: row 0 holds nan"):
        gaussian_nats(train, test * np.nan)


def test_scores_and_their_intervals() -> None:
    rng = np.random.default_rng(0)
    pairs, flow = 95 + 4 * rng.normal(size=900), 40 + rng.normal(size=400)
    gaussian = flow + 2 + 0.5 * rng.normal(size=400)
    scores = likelihood_scores(pairs, flow, gaussian, num_dims=32)
    assert list(scores) == ["nll/pair_nats", "nll/bits_per_dim", "nll/gain_over_gaussian"]
    nats, bits, gain = scores.values()
    assert nats.value == pytest.approx(pairs.mean())
    assert (nats.high - nats.low) / 2 == pytest.approx(1.96 * 4 / 30, rel=0.15)
    for of_bits, of_nats in ((bits.value, nats.value), (bits.low, nats.low), (bits.high, nats.high)):
        assert of_bits == pytest.approx(of_nats / (64 * np.log(2)))
    # Row by row, so that what all latents share cancels: the interval is that of the difference.
    assert gain.value == pytest.approx(gaussian.mean() - flow.mean())
    assert (gain.high - gain.low) / 2 == pytest.approx(1.96 * 0.5 / 20, rel=0.2)
    assert all(score.chance is None and score.perfect is None for score in scores.values())


def test_originals_that_recur_make_the_intervals_wider() -> None:
    rng = np.random.default_rng(0)
    of_original = rng.normal(size=40)
    a, b = rng.integers(40, size=(2, 1000))
    pairs, latent = of_original[a] + of_original[b], np.repeat(of_original, 5)
    by_row = likelihood_scores(pairs, latent, 0 * latent, 3)
    originals = {"pair_groups": np.stack([a, b], axis=1), "groups": np.repeat(np.arange(40), 5)}
    by_original = likelihood_scores(pairs, latent, 0 * latent, 3, **originals)
    for name, wide in by_original.items():
        assert wide.value == by_row[name].value
        assert wide.high - wide.low > 1.8 * (by_row[name].high - by_row[name].low), name


def test_gain_has_the_sign_of_the_better_density() -> None:
    """Latents in two clusters: their own mixture gains on a Gaussian; a Gaussian gains nothing on itself."""
    rng = np.random.default_rng(0)
    sign = rng.choice([-1.0, 1.0], size=(2000, 1))
    latents = 3 * sign + rng.normal(size=(2000, 1))
    plain = gaussian_nats(latents[:1000], latents[1000:])
    held = latents[1000:, 0]
    mixture = -np.log(0.5 * np.exp(-0.5 * (held - 3) ** 2) + 0.5 * np.exp(-0.5 * (held + 3) ** 2))
    mixture += 0.5 * np.log(2 * np.pi)
    assert likelihood_scores(plain, mixture, plain, 1)["nll/gain_over_gaussian"].low > 0.2
    assert likelihood_scores(plain, plain, mixture, 1)["nll/gain_over_gaussian"].high < -0.2
    same = likelihood_scores(plain, plain, plain, 1)["nll/gain_over_gaussian"]
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_nats_that_are_not_finite_are_refused() -> None:
    good = np.zeros(3)
    with pytest.raises(ValueError, match="pair_nats: row 1 holds inf"):
        likelihood_scores([0.0, np.inf], good, good, 2)
    with pytest.raises(ValueError, match="latent_gaussian_nats: found 2 rows; 3 are expected"):
        likelihood_scores(good, good, good[:2], 2)
