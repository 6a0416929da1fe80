import numpy as np
import pytest
from scipy.stats import t as student_t
from threadpoolctl import threadpool_limits

from pipeline.scores.statistics import intervals
from pipeline.scores.statistics.intervals import (
    bootstrap_counts,
    bootstrap_interval,
    bootstrap_sums,
    jackknife_interval,
    pair_bootstrap_sums,
    pair_originals,
)


def test_each_resample_draws_as_many_originals_as_there_are() -> None:
    groups = np.repeat(np.arange(10), 3)
    one_a_group = np.where(np.arange(30) % 3 == 0, 1.0, 0.0)
    sums = bootstrap_sums(np.stack([one_a_group, np.ones(30)], axis=1), 0, groups)
    assert sums.shape == (intervals.NUM_RESAMPLES, 2)
    assert (sums[:, 0] == 10).all()  # whole originals: their first rows are as many as the originals drawn
    assert (sums[:, 1] == 30).all()


def test_equal_seeds_resample_jointly_whatever_the_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(40, 2))
    together = bootstrap_sums(rows, 5)
    np.testing.assert_allclose(bootstrap_sums(rows[:, :1], 5), together[:, :1])
    assert not np.allclose(bootstrap_sums(rows, 6), together)


def test_counts_are_those_that_the_sums_are_made_of() -> None:
    rows = np.random.default_rng(0).normal(size=(12, 3))
    counts = np.concatenate(list(bootstrap_counts(12, 5, 40)))
    assert counts.shape == (40, 12)
    np.testing.assert_array_equal(counts @ rows, bootstrap_sums(rows, 5, num_resamples=40))


def test_chunks_are_drawn_without_repeating_a_resample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "_CHUNK", 90)  # three resamples of 30 rows at once
    sums = bootstrap_sums(np.random.default_rng(0).normal(size=(30, 1)), 0, num_resamples=100)
    assert len(np.unique(sums)) == 100


def test_bootstrap_of_a_mean_has_the_width_of_theory() -> None:
    values = np.random.default_rng(0).normal(size=500)
    low, high = bootstrap_interval(bootstrap_sums(values[:, None], 0)[:, 0] / 500, float(values.mean()))
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / np.sqrt(500), rel=0.1)


def test_coverage_by_original_is_right_and_by_row_too_small() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(50), 6)
    covered = {"original": 0, "row": 0}
    for trial in range(200):
        values = np.repeat(rng.normal(size=50), 6) + 0.3 * rng.normal(size=300)  # true mean 0
        for name, by in (("original", groups), ("row", None)):
            low, high = bootstrap_interval(bootstrap_sums(values[:, None], trial, by, 400)[:, 0] / 300, values.mean())
            covered[name] += low <= 0 <= high
    assert 0.90 <= covered["original"] / 200 <= 0.99
    assert covered["row"] / 200 <= 0.75


def test_a_pair_counts_as_often_as_its_originals_were_drawn_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "_CHUNK", 35)  # of five pairs seven resamples at once, of four originals eight
    rows = np.random.default_rng(0).normal(size=(5, 2))
    originals, num_originals = pair_originals([[7, 9], [7, 8], [8, 9], [2, 7], [9, 2]], 5)
    assert originals is not None
    assert num_originals == 4
    sums = pair_bootstrap_sums(rows, originals, num_originals, 3)
    for counts, found in zip(np.concatenate(list(bootstrap_counts(4, 3))), sums, strict=True):
        expected = sum(counts[a] * counts[b] * row for (a, b), row in zip(originals, rows, strict=True))
        np.testing.assert_allclose(found, expected, atol=1e-12)
    part = pair_bootstrap_sums(rows[:2], originals[:2], num_originals, 3)
    rest = pair_bootstrap_sums(rows[2:], originals[2:], num_originals, 3)
    np.testing.assert_allclose(part + rest, sums, atol=1e-12)  # the same resamples


def test_one_original_a_member_is_asked_for() -> None:
    assert pair_originals(None, 3) == (None, 0)
    with pytest.raises(ValueError, match=r"groups: found shape \(3,\); both originals of each pair are expected"):
        pair_originals([1, 2, 3], 3)


@pytest.mark.parametrize("num_originals", [60, 400])
def test_coverage_of_pairs_by_original_holds_and_by_pair_is_too_small(num_originals: int) -> None:
    rng = np.random.default_rng(0)
    covered = {"original": 0, "pair": 0}
    for trial in range(100):
        of_original = rng.normal(size=num_originals)  # true mean 0
        a = rng.integers(num_originals, size=1000)
        b = (a + rng.integers(1, num_originals, size=1000)) % num_originals
        values = of_original[a] + of_original[b] + 0.3 * rng.normal(size=1000)
        rows = np.stack([values, np.ones(1000)], axis=1)
        for name, groups in (("original", np.stack([a, b], axis=1)), ("pair", None)):
            sums = pair_bootstrap_sums(rows, *pair_originals(groups, 1000), trial)
            low, high = bootstrap_interval(sums[:, 0] / sums[:, 1], values.mean())
            covered[name] += low <= 0 <= high
    assert covered["original"] >= 90
    assert covered["pair"] <= 80


def test_interval_is_widened_to_its_value_and_ignores_nan() -> None:
    samples = np.array([1.0, 2.0, np.nan, 3.0])
    assert bootstrap_interval(samples, 9.0)[1] == 9.0
    assert bootstrap_interval(samples, -9.0)[0] == -9.0
    assert bootstrap_interval(samples, 2.0) == pytest.approx((1.05, 2.95))
    assert bootstrap_interval(np.array([np.nan]), 2.0) == (2.0, 2.0)


def test_jackknife_of_a_mean_one_row_a_block_is_the_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=30)
    low, high = jackknife_interval(
        lambda rows: float(values[rows].mean()), float(values.mean()), np.arange(30), 0, num_blocks=30
    )
    half = student_t.ppf(0.975, 29) * values.std(ddof=1) / np.sqrt(30)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_jackknife_leaves_out_whole_originals_twenty_times() -> None:
    index = np.repeat(np.arange(45), 2)
    seen: list[np.ndarray] = []

    def statistic(rows: np.ndarray) -> float:
        seen.append(rows)
        return 0.0

    jackknife_interval(statistic, 0.0, index, 0)
    left_out = [set(index) - set(index[rows]) for rows in seen]
    assert len(seen) == 20
    assert sorted(g for out in left_out for g in out) == list(range(45))
    assert all(len(rows) == 90 - 2 * len(out) for rows, out in zip(seen, left_out, strict=True))


def test_jackknife_needs_two_originals() -> None:
    with pytest.raises(ValueError, match="at least 2 originals"):
        jackknife_interval(lambda _: 0.0, 0.0, np.zeros(4, dtype=np.intp), 0)


def test_the_bits_do_not_depend_on_how_many_threads_a_machine_has() -> None:
    rng = np.random.default_rng(0)
    rows, of_pairs, originals = (
        rng.normal(size=(1000, 40)),
        rng.normal(size=(4000, 3)),
        rng.integers(1000, size=(4000, 2)),
    )
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append((bootstrap_sums(rows, 0), pair_bootstrap_sums(of_pairs, originals, 1000, 0)))
    for one, two in zip(*found, strict=True):
        assert np.array_equal(one, two)
