"""What is known of a factor over seeds: turned it is the same, half of it new it is half the same."""

import numpy as np
import pytest

from pipeline.basis.layout import Layout
from pipeline.scores.probes.stability import stability

LAYOUT = Layout(("residual", "shape", "colour"), (4, 3, 2))
NUM = 1500


def _turned(code: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Each factor by a rotation of its own."""
    return np.hstack([code[:, k] @ np.linalg.qr(rng.normal(size=(k.stop - k.start,) * 2))[0] for k in LAYOUT.slices])


def test_a_factor_that_is_turned_is_stable_and_one_of_new_numbers_is_not() -> None:
    rng = np.random.default_rng(0)
    codes = [rng.standard_normal((NUM, 9))]
    for _ in range(2):
        other = codes[0].copy()
        other[:, 4:7] = rng.standard_normal((NUM, 3))
        codes.append(_turned(other, rng))
    scores = stability(codes, LAYOUT)
    assert scores["stability/residual"].value > 0.999
    assert scores["stability/colour"].value > 0.999
    assert scores["stability/shape"].value < 0.01
    assert scores["stability"].value == pytest.approx(2 / 3, abs=0.005)
    for score in scores.values():
        assert score.perfect == pytest.approx(1, abs=1e-3)
        assert score.chance is not None
        assert score.chance < 0.01
        assert score.details["seeds"] == 3


def test_a_noisy_copy_is_stable_by_the_share_that_is_kept() -> None:
    rng = np.random.default_rng(1)
    code = rng.standard_normal((4000, 9))
    noisy = np.sqrt(0.6) * code + np.sqrt(0.4) * rng.standard_normal(code.shape)
    score = stability([code, noisy], LAYOUT)["stability"]
    assert score.value == pytest.approx(0.6, abs=0.02)  # the squared correlation, either way
    assert score.low is not None
    assert score.high is not None
    assert score.low - 0.01 < 0.6 < score.high + 0.01
    assert score.high - score.low < 0.05


def test_copies_of_an_original_do_not_foretell_each_other() -> None:
    rng = np.random.default_rng(2)
    original = np.repeat(np.arange(150), 10)
    codes = [rng.standard_normal((150, 9))[original] for _ in range(2)]
    assert stability(codes, LAYOUT, groups=original)["stability"].value < 0.02


@pytest.mark.parametrize(
    ("codes", "words"),
    [
        ([np.zeros((9, 9))], "two codes or more"),
        ([np.ones((9, 9)), np.ones((8, 9))], "two codes or more"),
        ([np.ones((9, 9))] * 2, "stability of residual"),
    ],
)
def test_what_cannot_be_compared_is_refused(codes: list[np.ndarray], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        stability(codes, LAYOUT)
