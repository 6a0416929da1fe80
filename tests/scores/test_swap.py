from typing import Any

import numpy as np
import pytest

from pipeline.basis.layout import Layout
from pipeline.scores.behaviour.swap import swap_score
from pipeline.scores.statistics.score import Score

LAYOUT = Layout.of(("digit", "colour"), (2, 1, 1))
NUM = 400

Judged = dict[str, np.ndarray]


def references(seed: int = 0) -> tuple[Judged, Judged]:
    rng = np.random.default_rng(seed)

    def one() -> Judged:
        return {"digit": rng.integers(4, size=NUM), "colour": rng.uniform(size=(NUM, 3))}

    to, frm = one(), one()
    same = np.arange(NUM) % 10 == 0  # pairs that share a colour exactly
    frm["colour"][same] = to["colour"][same]
    return to, frm


def perfect_swaps(to: Judged, frm: Judged) -> dict[str, Judged]:
    return {"residual": to, "digit": {**to, "digit": frm["digit"]}, "colour": {**to, "colour": frm["colour"]}}


def sloppy_swaps(to: Judged, frm: Judged, seed: int = 3) -> dict[str, Judged]:
    """Half-right edits: digits at random a quarter of the time, colours a noisy blend."""
    rng = np.random.default_rng(seed)

    def blur(judged: Judged) -> Judged:
        digit = np.where(rng.uniform(size=NUM) < 0.25, rng.integers(4, size=NUM), judged["digit"])
        return {"digit": digit, "colour": judged["colour"] + 0.3 * rng.normal(size=(NUM, 3))}

    return {factor: blur(judged) for factor, judged in perfect_swaps(to, frm).items()}


def by_a_plain_loop(to: Judged, frm: Judged, swapped: dict[str, Judged]) -> dict[str, float]:
    shares: dict[str, float] = {}
    for factor in ("residual", "digit", "colour"):
        for concept in ("digit", "colour"):
            won = counted = 0
            for i in range(NUM):
                r, d, s = to[concept][i], frm[concept][i], swapped[factor][concept][i]
                if concept == "digit":
                    if factor == "digit" and r == d:
                        continue
                    counted += 1
                    won += int(s == (d if factor == "digit" else r))
                else:
                    if (r == d).all():
                        continue
                    counted += 1
                    to_r, to_d = sum((s - r) ** 2), sum((s - d) ** 2)
                    won += int(to_d < to_r if factor == "colour" else to_r < to_d)
            kind = "follow" if factor == concept else f"stay/{factor}"
            shares[f"swap/{kind}/{concept}"] = won / counted
    follow = (shares["swap/follow/digit"] + shares["swap/follow/colour"]) / 2
    stays = [share for name, share in shares.items() if "stay" in name]
    assert len(stays) == 4
    stay = sum(stays) / 4
    return {"swap/score": 2 / (1 / follow + 1 / stay), "swap/follow": follow, "swap/stay": stay, **shares}


def values(scores: dict[str, Score]) -> dict[str, float]:
    return {name: score.value for name, score in scores.items()}


def test_originals_that_recur_make_the_intervals_wider_and_nothing_else() -> None:
    to, frm = references()
    swapped = sloppy_swaps(to, frm)
    groups = np.stack([np.arange(NUM) % 20, 20 + np.arange(NUM) // 20], axis=1)
    by_pair, by_original = swap_score(to, frm, swapped, LAYOUT), swap_score(to, frm, swapped, LAYOUT, groups=groups)
    assert values(by_pair) == values(by_original)
    for name, wide in by_original.items():
        assert wide.high - wide.low > 1.2 * (by_pair[name].high - by_pair[name].low), name


def test_sloppy_edits_by_a_plain_loop() -> None:
    to, frm = references()
    scores = swap_score(to, frm, sloppy_swaps(to, frm), LAYOUT)
    expected = by_a_plain_loop(to, frm, sloppy_swaps(to, frm))
    assert values(scores) == pytest.approx(expected)
    assert 0.6 < scores["swap/score"].value < 0.95
    for name, score in scores.items():
        assert score.low < score.value < score.high, name
        assert score.chance < score.low, name
        assert score.perfect == 1, name
    assert scores["swap/follow/colour"].details == {"pairs": 360}
    assert scores["swap/stay/colour/digit"].details == {"pairs": NUM}


def test_perfect_edits() -> None:
    to, frm = references()
    scores = swap_score(to, frm, perfect_swaps(to, frm), LAYOUT)
    assert set(values(scores).values()) == {1.0}
    assert scores["swap/follow/digit"].chance == pytest.approx(0.25, abs=0.1)
    assert scores["swap/stay/residual/colour"].chance == pytest.approx(0.5, abs=0.1)


def test_edits_that_do_nothing_stay_and_never_follow() -> None:
    to, frm = references()
    scores = swap_score(to, frm, dict.fromkeys(LAYOUT.names, to), LAYOUT)
    assert (scores["swap/score"].value, scores["swap/follow"].value, scores["swap/stay"].value) == (0, 0, 1)


def test_edits_that_hand_over_everything_follow_and_do_not_stay() -> None:
    to, frm = references()
    scores = swap_score(to, frm, dict.fromkeys(LAYOUT.names, frm), LAYOUT)
    assert scores["swap/follow"].value == 1
    assert scores["swap/stay/digit/colour"].value == 0
    assert scores["swap/stay/colour/digit"].value == pytest.approx((to["digit"] == frm["digit"]).mean())
    assert scores["swap/score"].value < 0.4


def test_unrelated_edits_are_at_chance() -> None:
    to, frm = references()
    other, _ = references(seed=8)
    scores = swap_score(to, frm, dict.fromkeys(LAYOUT.names, other), LAYOUT)
    for name, score in scores.items():
        assert score.value == pytest.approx(score.chance, abs=0.08), name


def test_a_value_midway_neither_follows_nor_stays() -> None:
    layout = Layout.of(("smile",), (1, 1))
    to, frm = {"smile": np.zeros(8)}, {"smile": np.ones(8)}
    midway = {"smile": np.full(8, 0.5)}
    scores = swap_score(to, frm, {"residual": midway, "smile": midway}, layout)
    assert set(values(scores).values()) == {0.0}
    assert scores["swap/score"].perfect == 1


def test_intervals_are_joint() -> None:
    """Follow and stay succeed in the same pairs, so their harmonic mean is either of them in every resample."""
    layout = Layout.of(("smile",), (1, 1))
    rng = np.random.default_rng(0)
    to, frm = {"smile": np.zeros(200)}, {"smile": np.ones(200)}
    works = rng.uniform(size=200) < 0.7
    swapped = {"residual": {"smile": 1.0 - works}, "smile": {"smile": 1.0 * works}}
    scores = swap_score(to, frm, swapped, layout)
    score, follow, stay = scores["swap/score"], scores["swap/follow"], scores["swap/stay"]
    assert (score.low, score.high) == pytest.approx((follow.low, follow.high))
    assert (score.low, score.high) == pytest.approx((stay.low, stay.high))
    assert (follow.high - follow.low) / 2 == pytest.approx(1.96 * np.sqrt(0.7 * 0.3 / 200), rel=0.2)


def test_a_share_over_no_pair_is_left_out() -> None:
    to, _ = references()
    frm = {"digit": to["digit"], "colour": 1 - to["colour"]}
    scores = swap_score(to, frm, perfect_swaps(to, frm), LAYOUT)
    assert "swap/follow/digit" not in scores
    assert scores["swap/follow"].value == scores["swap/follow/colour"].value == 1
    nowhere = swap_score(to, to, perfect_swaps(to, to), LAYOUT)
    assert set(nowhere) == {"swap/stay", "swap/stay/residual/digit", "swap/stay/colour/digit"}


def test_no_concept_no_score() -> None:
    assert swap_score({}, {}, {"residual": {}}, Layout.of((), (3,))) == {}


def test_wrong_arguments_are_refused() -> None:
    to, frm = references()
    swapped = perfect_swaps(to, frm)
    colour_as_class = {**to, "colour": np.zeros(NUM, dtype=int)}
    not_finite = {**to, "colour": np.full((NUM, 3), np.nan)}
    short = {name: rows[:-1] for name, rows in to.items()}
    two = {**to, "colour": to["colour"][:, :2]}
    cases: list[tuple[Any, Any, Any, str]] = [
        (to, frm, {name: swapped[name] for name in ("digit", "colour")}, "factor 'residual' is missing"),
        ({"digit": to["digit"]}, frm, swapped, "recipient: the concept 'colour' is missing"),
        (to, {"digit": to["digit"]}, swapped, "donor: the concept 'colour' is missing"),
        (
            to,
            frm,
            {**swapped, "digit": colour_as_class},
            r"swapped 'digit': concept 'colour' is int64 of shape \(400,\)",
        ),
        (to, not_finite, swapped, "donor, concept 'colour': row 0 holds nan"),
        (to, short, swapped, r"donor: concept 'digit' is int64 of shape \(399,\)"),
        ({**to, "colour": short["colour"]}, frm, swapped, "recipient, concept 'colour': found 399 rows"),
        (to, two, swapped, r"donor: concept 'colour' is float64 of shape \(400, 2\)"),
    ]
    for recipient, donor, edits, says in cases:
        with pytest.raises(ValueError, match=says):
            swap_score(recipient, donor, edits, LAYOUT)
