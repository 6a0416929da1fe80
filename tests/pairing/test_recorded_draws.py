"""Pairs are drawn as they always were: the pairs of a study follow from its seed, whatever becomes of the code."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from pipeline.pairing.sampler import PairSampler
from pipeline.scores.fit.pair import shared_pairs

ROWS = np.arange(300)
ORIGINAL = ROWS * 7 % 100  # three copies each, apart from one another
DIGIT = ORIGINAL * 3 % 11 - 1  # missing, −1, in a part of the originals
COLOUR = ROWS * 13 % 17
RARE = np.where(ROWS % 29 == 0, 1, ROWS + 5)  # most rows have a value of their own


def digest(rows: NDArray[np.int64]) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()[:12]


def test_pairs_of_a_training_step() -> None:
    labels = {"digit": DIGIT, "colour": COLOUR, "rare": RARE}
    sampler = PairSampler(labels, ORIGINAL, 3, "recorded")
    pairs = sampler.draw(7, 500)
    assert pairs.a[:6].tolist() == [290, 0, 13, 87, 80, 145]
    assert pairs.b[:6].tolist() == [232, 174, 202, 145, 26, 232]
    assert [digest(pairs.a), digest(pairs.b)] == ["4a8677dfebab", "22da72fda17e"]
    assert sampler.num_alone == {"digit": 0, "colour": 0, "rare": 289}


def test_pairs_of_the_scores() -> None:
    concepts = {"digit": np.abs(DIGIT), "colour": COLOUR, "rare": RARE, "hue": np.stack([ROWS % 3, ROWS % 2], 1) / 4}
    pairs = shared_pairs(concepts, ORIGINAL.astype(np.intp), 200, 5)
    assert pairs.a[:6].tolist() == [77, 141, 18, 241, 287, 152]
    assert pairs.b[:6].tolist() == [131, 268, 183, 168, 152, 60]
    assert [digest(pairs.a), digest(pairs.b)] == ["693835dda6c3", "deb343300e53"]
    assert pairs.alone == {"digit": 0, "colour": 0, "rare": 289, "hue": 0}
