import numpy as np
import pytest

from pipeline.scores.behaviour.preservation import round_trip


def test_largest_error_over_the_deviation_of_all_entries() -> None:
    rng = np.random.default_rng(0)
    latents = 5 * rng.normal(size=(50, 4)) + [0, 10, 20, 30]
    back = latents + 1e-6 * rng.uniform(-1, 1, size=(50, 4))
    back[17, 2] = latents[17, 2] - 0.25
    score = round_trip(latents, back)
    assert score.value == pytest.approx(0.25 / np.sqrt(((latents - latents.mean()) ** 2).mean()))
    assert (score.low, score.high, score.chance, score.perfect) == (None, None, None, None)


def test_exact_inverse_is_zero_and_a_lost_one_is_large() -> None:
    latents = np.random.default_rng(0).normal(size=(50, 4))
    assert round_trip(latents, latents).value == 0
    assert round_trip(latents, latents[::-1]).value > 1


def test_a_difference_below_the_resolution_of_float32_latents_is_still_measured() -> None:
    latents = np.array([[1.0, 2.0]], dtype=np.float32)
    assert round_trip(latents, latents.astype(np.float64) + 1e-12).value == pytest.approx(2e-12, rel=1e-3)


def test_wrong_arguments_are_refused() -> None:
    latents = np.random.default_rng(0).normal(size=(5, 4))
    with pytest.raises(ValueError, match="latents_back: found shape"):
        round_trip(latents, latents[:, :3])
    with pytest.raises(ValueError, match="latents_back: row 0 holds nan"):
        round_trip(latents, latents * np.nan)
    with pytest.raises(ValueError, match="all entries are equal"):
        round_trip(np.ones((3, 2)), np.ones((3, 2)))
