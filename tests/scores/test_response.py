import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from pipeline.scores.behaviour.response import response
from pipeline.scores.statistics.score import Score


def steps_of(num_steps: int = 6, num_inputs: int = 80, classes: int = 5, strength: float = 2.0) -> np.ndarray:
    """Probabilities [steps + 1, n, classes] of logits that each edit shifts at random."""
    rng = np.random.default_rng(0)
    logits = 2 * rng.normal(size=(1, num_inputs, classes))
    shift = strength * rng.normal(size=(num_steps, num_inputs, classes))
    return softmax(np.concatenate([logits, logits + shift]), axis=2)


def values(scores: dict[str, Score]) -> dict[str, float]:
    return {name.removeprefix("response/"): score.value for name, score in scores.items()}


def test_definitions_by_a_plain_loop() -> None:
    steps = steps_of()
    changed, variation, divergence, deviation = [], [], [], []
    for row in range(steps.shape[1]):
        start = steps[0, row]
        classes = [int(np.argmax(step[row])) for step in steps[1:]]
        changed += [number != np.argmax(start) for number in classes]
        variation += [max(abs(step[row][on].sum() - start[on].sum()) for on in _events(5)) for step in steps[1:]]
        divergence += [jensenshannon(step[row], start, base=2) ** 2 for step in steps[1:]]
        deviation.append(np.sqrt(np.mean([(number - np.mean(classes)) ** 2 for number in classes])))
    scores = response(steps)
    expected = {
        "changed": np.mean(changed),
        "total_variation": np.mean(variation),
        "jensen_shannon": np.mean(divergence),
        "class_deviation": np.mean(deviation),
    }
    assert values(scores) == pytest.approx(expected)
    for score in scores.values():
        assert score.low < score.value < score.high
        assert (score.chance, score.perfect) == (None, None)


def _events(classes: int) -> list[np.ndarray]:
    """All sets of classes: total variation is the largest difference of their probabilities."""
    return [np.array([bits >> number & 1 for number in range(classes)], dtype=bool) for bits in range(2**classes)]


def test_edits_that_do_nothing_have_no_response() -> None:
    steps = np.repeat(steps_of()[:1], 4, axis=0)
    assert set(values(response(steps)).values()) == {0.0}


def test_edits_that_turn_every_certain_decision_over_have_the_largest() -> None:
    certain = np.eye(2)[np.zeros((5, 30), dtype=int)]
    certain[1:] = certain[1:, :, ::-1]
    assert values(response(certain)) == pytest.approx(
        {"changed": 1, "total_variation": 1, "jensen_shannon": 1, "class_deviation": 0}  # always the other class
    )


def test_the_deviation_counts_classes_between_edits_and_leaves_the_unedited_decision_out() -> None:
    classes = np.array([[9, 0], [2, 3], [4, 3], [6, 3]])  # step × input
    assert values(response(np.eye(10)[classes]))["class_deviation"] == pytest.approx((np.std([2, 4, 6]) + 0) / 2)


def test_stronger_edits_have_a_larger_response() -> None:
    weak, strong = (values(response(steps_of(strength=strength))) for strength in (0.2, 3.0))
    assert all(weak[name] < strong[name] for name in weak)


def test_the_interval_of_a_share_is_that_of_theory_and_copies_do_not_narrow_it() -> None:
    steps = steps_of(num_steps=1, num_inputs=400)
    score = response(steps)["response/changed"]
    expected = 1.96 * np.sqrt(score.value * (1 - score.value) / 400)
    assert (score.high - score.low) / 2 == pytest.approx(expected, rel=0.15)
    rows = np.repeat(np.arange(400), 4)
    by_original = response(steps[:, rows], groups=rows)["response/changed"]
    assert by_original.value == pytest.approx(score.value)
    assert by_original.high - by_original.low == pytest.approx(score.high - score.low, rel=0.1)


def test_float16_is_read_and_equal_seeds_agree() -> None:
    steps = steps_of()
    exact, rounded = response(steps, seed=4), response(steps.astype(np.float16), seed=4)
    assert values(rounded) == pytest.approx(values(exact), abs=0.01)
    assert response(steps, seed=4) == exact != response(steps, seed=5)


def test_what_is_no_distribution_is_refused() -> None:
    steps = steps_of()
    negative, unequal, broken = steps.copy(), steps.copy(), steps.copy()
    negative[1, 3, :2] += [-2, 2]
    unequal[2, 4] *= 1.5
    broken[0, 5, 0] = np.nan
    for probabilities, says in (
        (steps[:1], "at least one step after"),
        (steps[0], r"found shape \(80, 5\)"),
        (steps[:, :0], r"found shape \(7, 0, 5\)"),
        (steps[:, :, :1], "two classes"),
        (negative, "step 1, input 3"),
        (unequal, "step 2, input 4"),
        (broken, "step 0, input 5"),
    ):
        with pytest.raises(ValueError, match=says):
            response(probabilities)
