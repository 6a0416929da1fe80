"""Findings say what is wrong, where it is, and nothing where all is as it should be."""

import pytest

from pipeline.scores.findings import findings
from pipeline.scores.statistics.score import Score

FINE = {
    "probe/own": Score(0.8, 0.78, 0.82, chance=0.0, perfect=1.0),
    "probe/own/digit": Score(0.9, 0.88, 0.92, chance=0.01, perfect=1.0),
    "probe/own/colour": Score(0.7, 0.65, 0.75, chance=0.0, perfect=1.0),
    "probe/gap/digit": Score(0.8, 0.78, 0.82),
    "probe/gap/colour": Score(0.1, 0.02, 0.18),
    "probe/matrix/residual/digit": Score(0.1),
    "probe/matrix/residual/colour": Score(0.6),
    "probe/matrix/digit/digit": Score(0.9),
    "probe/matrix/digit/colour": Score(0.2),
    "probe/matrix/colour/digit": Score(0.0),
    "probe/matrix/colour/colour": Score(0.7),
    "swap/follow": Score(0.9, 0.88, 0.92, chance=0.1, perfect=1.0),
    "swap/follow/digit": Score(0.8, 0.75, 0.85, chance=0.1, perfect=1.0, details={"pairs": 200}),
    "swap/follow/colour": Score(0.9, 0.85, 0.95, chance=0.5, perfect=1.0, details={"pairs": 200}),
    "nll/gain_over_gaussian": Score(9.2, 8.9, 9.5),
    "preserve/agreement": Score(1.0, 1.0, 1.0, chance=0.1, perfect=1.0),
}


def test_there_is_nothing_to_say_of_a_layer_that_is_as_it_should_be() -> None:
    assert findings(FINE) == []
    assert findings({}) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"nll/gain_over_gaussian": Score(-832.4, -840, -820)},
            "T has learned its training rows by heart, or too little of them: 832 nats worse than a Gaussian on a "
            "held-out latent (nll/gain_over_gaussian -832.40 [-840.00, -820.00]); where the held-out curve lies above "
            "that of training, more images, fewer steps or fewer blocks help",
        ),
        (
            {"probe/own/colour": Score(0.05, 0.015, 0.09, chance=0.019), "probe/gap/colour": Score(-0.5, -0.6, -0.4)},
            "the factor of 'colour' holds nothing of it that can be told from chance: probe/own/colour 0.05 "
            "[0.01, 0.09]",
        ),
        (
            {"probe/own/colour": Score(0.0, 0.0, 0.03, chance=-0.01)},
            "the factor of 'colour' holds nothing of it that can be told from chance: probe/own/colour 0.00 "
            "[0.00, 0.03]",
        ),
        (
            {"probe/gap/colour": Score(0.1, -0.02, 0.22)},
            "'colour' is read from the residual as well as from its own factor: 0.60 against 0.70 "
            "(probe/gap/colour 0.10 [-0.02, 0.22])",
        ),
        (
            {"probe/gap/colour": Score(-0.2, -0.3, -0.1), "probe/matrix/digit/colour": Score(0.9)},
            "'colour' is read from the factor of 'digit' better than from its own factor: 0.90 against 0.70 "
            "(probe/gap/colour -0.20 [-0.30, -0.10])",
        ),
        (
            {"swap/follow/colour": Score(0.52, 0.48, 0.56, chance=0.5, perfect=1.0)},
            "after a swap of the factor of 'colour' the judge sees the donor's no more often than by chance: "
            "swap/follow/colour 0.52 [0.48, 0.56], chance 0.50",
        ),
        (
            {"preserve/agreement": Score(1.0, 1.0, 1.0, details={"never_decided": "'bag' or 'sandal'"})},
            "the network decides for no test image that it is 'bag' or 'sandal': how decisions answer to a factor says "
            "nothing of that",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_else(changed: dict[str, Score], words: str) -> None:
    assert findings(FINE | changed) == [words]


@pytest.mark.parametrize(
    "score",
    [
        {"nll/gain_over_gaussian": Score(-0.2, -0.5, 0.1)},
        {"probe/own/digit": Score(0.2, 0.02, 0.4, chance=0.01)},
        {"probe/gap/digit": Score(0.2, 0.001, 0.4)},
        {"swap/follow/digit": Score(0.2, 0.11, 0.4, chance=0.1)},
    ],
)
def test_an_interval_that_stays_on_the_right_side_is_no_finding(score: dict[str, Score]) -> None:
    assert findings(FINE | score) == []


def test_the_worst_comes_first() -> None:
    wrong = {
        "swap/follow/digit": Score(0.1, 0.05, 0.15, chance=0.1),
        "probe/own/digit": Score(0.0, 0.0, 0.02, chance=0.0),
        "nll/gain_over_gaussian": Score(-3.0, -3.5, -2.5),
    }
    assert [sentence.split(" ")[0] for sentence in findings(FINE | wrong)] == ["T", "the", "after"]
