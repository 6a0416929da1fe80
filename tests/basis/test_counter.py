"""Draws by counting: the published generator, the same bits for any part, and numbers as they are distributed."""

import numpy as np
import pytest
import torch
from scipy import stats

from pipeline.basis.counter import Counter, below, share
from pipeline.basis.draws import draw_seed

WORD = 2**64


def _split_mix(state: int) -> int:
    """An output of SplitMix64 as its authors wrote it, in whole numbers without a bound."""
    z = (state + 0x9E3779B97F4A7C15) % WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORD
    return z ^ z >> 31


def test_the_words_are_those_of_the_published_generator() -> None:
    assert _split_mix(1234567) == 6457827717110365317  # of the authors' program
    gamma = 0x9E3779B97F4A7C15
    of_step = _split_mix((draw_seed(3, "test") + (9 - 1) * gamma) % WORD)
    expected = [_split_mix((of_step + (number - 1) * gamma) % WORD) for number in range(200)]
    found = [word % WORD for word in Counter(3, "test").words(9, torch.arange(200)).tolist()]
    assert found == expected


def test_each_is_a_function_of_seed_purpose_step_and_number() -> None:
    numbers = torch.arange(64)
    words = Counter(0, "a").words(5, numbers)
    assert torch.equal(Counter(0, "a").words(torch.tensor(5), numbers[40:]), words[40:])
    for other in (
        Counter(1, "a").words(5, numbers),
        Counter(0, "b").words(5, numbers),
        Counter(0, "a").words(6, numbers),
    ):
        assert len(set(words.tolist()) & set(other.tolist())) == 0
    normals = Counter(0, "a").normals(5, numbers, 7)
    assert torch.equal(Counter(0, "a").normals(torch.tensor(5), numbers[3:9], 7), normals[3:9])


def test_normals_are_normal_and_independent_of_each_other() -> None:
    drawn = Counter(0, "test").normals(1, torch.arange(60_000).view(2, -1), 9).double().numpy()
    assert drawn.shape == (2, 30_000, 9)
    rows = drawn.reshape(-1, 9)
    assert stats.kstest(rows.ravel(), "norm").pvalue > 0.001
    sides = np.concatenate([rows[:-1], rows[1:]], axis=1)  # those beside and below each other
    for power in (sides, np.square(sides)):
        assert np.abs(np.corrcoef(power.T) - np.eye(18)).max() < 4.5 / np.sqrt(len(rows))
    steps = [Counter(0, "test").normals(step, torch.arange(20_000), 1)[:, 0].numpy() for step in range(6)]
    assert np.abs(np.corrcoef(steps) - np.eye(6)).max() < 4.5 / np.sqrt(20_000)


def test_whole_numbers_are_uniform_and_both_halves_independent() -> None:
    words = Counter(0, "test").words(0, torch.arange(100_000))
    high, low = below(words, 7), below(words, torch.tensor(5), low=True)
    assert stats.chisquare(np.bincount(7 * low.numpy() + high.numpy(), minlength=35)).pvalue > 0.001
    largest = below(torch.tensor([-1]), 2**31 - 1)
    assert largest.item() == 2**31 - 2
    shares = share(words)
    assert stats.kstest(shares.numpy(), "uniform").pvalue > 0.001
    assert shares.min() >= 0
    assert share(torch.tensor([-1])) < 1  # the largest word


@pytest.mark.gpu
def test_bits_are_the_same_on_a_gpu() -> None:
    counter, numbers = Counter(0, "test"), torch.arange(100_000)
    words = counter.words(3, numbers)
    there = counter.words(torch.tensor(3, device="cuda"), numbers.cuda())
    assert torch.equal(there.cpu(), words)
    assert torch.equal(below(there, 12_345).cpu(), below(words, 12_345))
    normals = counter.normals(3, numbers, 4)
    assert (counter.normals(3, numbers.cuda(), 4).cpu() - normals).abs().max() < 1e-4
