import numpy as np
import pytest

from pipeline.scores.behaviour.preservation import preservation, reconstruction


def images(num: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Images and their reconstructions, of error variance 0.01, as float32."""
    rng = np.random.default_rng(0)
    truth = rng.uniform(-1, 1, size=(num, 3, 6, 6)).astype(np.float32)
    return truth, truth + np.float32(0.1) * rng.normal(size=truth.shape).astype(np.float32)


def test_images_of_the_same_latent_lose_nothing() -> None:
    truth, outputs = images()
    score = preservation(outputs, outputs, truth)["preserve/squared_error"]
    assert (score.value, score.low, score.high, score.perfect) == (0, 0, 0, 0)
    assert score.chance > 10  # another image instead


def test_change_of_squared_error_is_relative() -> None:
    truth, outputs = images()
    noise = np.random.default_rng(1).normal(size=truth.shape)
    back = outputs + 0.1 * noise  # twice the error variance
    score = preservation(outputs, back, truth)["preserve/squared_error"]
    assert score.value == pytest.approx(np.mean((back - truth) ** 2) / np.mean((outputs - truth) ** 2) - 1, rel=1e-6)
    assert score.value == pytest.approx(1, abs=0.05)
    assert score.low < score.value < score.high < score.chance


def test_a_better_output_is_a_negative_change() -> None:
    truth, outputs = images()
    score = preservation(outputs, truth, truth)["preserve/squared_error"]
    assert score.value == -1


def test_rows_of_one_original_are_resampled_together() -> None:
    truth, outputs = images(60)
    back = outputs + 0.1 * np.random.default_rng(1).normal(size=(60, 1, 1, 1)) * np.sign(truth)
    rows = np.repeat(np.arange(60), 5)

    def width(groups: np.ndarray | None) -> float:
        score = preservation(outputs[rows], back[rows], truth[rows], groups=groups)
        return score["preserve/squared_error"].high - score["preserve/squared_error"].low

    assert width(None) < 0.6 * width(rows)


def test_wrong_images_are_refused() -> None:
    truth, outputs = images(5)
    with pytest.raises(ValueError, match="outputs_back: found"):
        preservation(outputs, outputs[:4], truth)
    with pytest.raises(ValueError, match="outputs: row 0 holds nan"):
        preservation(outputs * np.nan, outputs, truth)
    with pytest.raises(ValueError, match="equal the labels exactly"):
        preservation(truth, outputs, truth)


def test_a_reconstruction_is_measured_in_the_variance_of_the_images_and_in_grey_levels() -> None:
    """Error variance .01 of images uniform in [−1, 1], whose variance is ⅓."""
    truth, outputs = images()
    (score,) = reconstruction(outputs, truth).values()
    assert score.value == pytest.approx(0.03, abs=0.001)
    assert score.value == pytest.approx(np.mean((outputs - truth) ** 2) / truth.var(axis=0).mean(), rel=1e-5)
    assert score.low < score.value < score.high < 0.035
    assert score.details["grey_levels"] == pytest.approx(127.5 * np.sqrt(np.mean((outputs - truth) ** 2)), rel=1e-5)
    assert 12 < score.details["grey_levels"] < 13
    assert score.chance == pytest.approx(2.03, abs=0.05)
    assert reconstruction(truth, truth)["reconstruction/squared_error"].value == score.perfect == 0
    (blind,) = reconstruction(np.broadcast_to(truth.mean(axis=0), truth.shape), truth).values()
    assert blind.value == pytest.approx(1)


def test_images_without_variance_and_of_another_shape_are_refused() -> None:
    truth, outputs = images(5)
    with pytest.raises(ValueError, match="all are equal"):
        reconstruction(outputs, np.ones_like(truth))
    with pytest.raises(ValueError, match=r"images: found shape \(4, 3, 6, 6\); \(5, 3, 6, 6\)"):
        reconstruction(outputs, truth[:4])


def decisions(num: int = 300) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and logits that are right for nine in ten."""
    rng = np.random.default_rng(0)
    labels = rng.integers(5, size=num)
    said = np.where(np.arange(num) % 10 == 0, (labels + 1) % 5, labels)
    return labels, 4 * np.eye(5)[said] + 0.1 * rng.normal(size=(num, 5))


def test_decisions_of_the_same_latent_are_the_same() -> None:
    labels, logits = decisions()
    scores = preservation(logits, logits, labels)
    for name, value in (("accuracy", 0), ("agreement", 1), ("largest_logit_difference", 0)):
        assert scores[f"preserve/{name}"].value == scores[f"preserve/{name}"].perfect == value
    assert scores["preserve/agreement"].chance == pytest.approx(0.2, abs=0.1)
    assert scores["preserve/accuracy"].chance == pytest.approx(0.2 - 0.9, abs=0.1)


def test_spoilt_decisions_by_a_plain_count() -> None:
    labels, logits = decisions()
    back = logits.copy()
    back[:30] = np.roll(logits[:30], 2, axis=1)  # three were wrong and stay wrong, as none of them rolls to its label
    back[40, 0] -= 7.5
    scores = preservation(logits, back, labels)
    right, right_back, same = 0, 0, 0
    for label, one, other in zip(labels, logits, back, strict=True):
        right, right_back = right + (np.argmax(one) == label), right_back + (np.argmax(other) == label)
        same += np.argmax(one) == np.argmax(other)
    accuracy, agreement = scores["preserve/accuracy"], scores["preserve/agreement"]
    assert accuracy.value == pytest.approx((right_back - right) / 300)
    assert accuracy.low < accuracy.value < accuracy.high < 0
    assert agreement.value == pytest.approx(same / 300)
    assert agreement.low < agreement.value < agreement.high < 1
    assert scores["preserve/largest_logit_difference"].value == pytest.approx(7.5)
    assert scores["preserve/largest_logit_difference"].low is None


NEVER = "never_decided"


def test_classes_that_are_never_decided_for_are_named() -> None:
    labels, logits = decisions()
    logits[:, [1, 3]] -= 10
    names = ["boot", "bag", "coat", "sandal", "shirt"]
    agreement = preservation(logits, logits, labels, class_names=names)["preserve/agreement"]
    assert agreement.details == {NEVER: "'bag' or 'sandal'"}
    assert preservation(logits, logits, labels)["preserve/agreement"].details == {NEVER: "'1' or '3'"}


def test_a_class_is_missed_only_where_it_can_be_expected() -> None:
    labels, logits = decisions()
    assert preservation(logits, logits, labels)["preserve/agreement"].details == {}  # each is decided for
    logits[:, 3] -= 10
    unlabelled = preservation(logits, logits, np.where(labels == 3, -1, labels))
    assert unlabelled["preserve/agreement"].details == {}  # no row is known to show it
    assert preservation(logits, logits, None)["preserve/agreement"].details == {NEVER: "'3'"}
    few = preservation(logits[:99], logits[:99], None)
    assert few["preserve/agreement"].details == {}  # of five classes, fewer than twenty rows each


def test_of_many_missed_classes_five_are_named() -> None:
    labels = np.arange(40)
    logits = np.eye(40)[np.zeros(40, int)]
    agreement = preservation(logits, logits, labels)["preserve/agreement"]
    assert agreement.details == {NEVER: "'1', '2', '3', '4', '5' or one of 34 more classes"}


def test_wrong_decisions_are_refused() -> None:
    labels, logits = decisions(10)
    for arguments, says in (
        ((logits, logits, labels[:9]), r"labels: found int64 of shape \(9,\) for outputs of shape \(10, 5\)"),
        ((logits, logits, labels.astype(float)), "labels: found float64"),
        ((logits, logits[:, :4], labels), r"outputs_back: found shape \(10, 4\)"),
        ((logits, logits * np.nan, labels), "outputs_back: row 0 holds nan"),
        ((logits, logits, labels + 5), "labels: found 9; an index of 5 logits"),
        ((logits, logits, labels - 5), "labels: found -5; an index of 5 logits"),
    ):
        with pytest.raises(ValueError, match=says):
            preservation(*arguments)
