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
    "probe/latent/digit": Score(0.86, 0.84, 0.88),
    "probe/latent/colour": Score(0.6, 0.55, 0.65),
    "probe/closed_form/digit": Score(0.85, 0.83, 0.87),
    "probe/closed_form/colour": Score(0.71, 0.69, 0.73),
    "probe/own_over_closed_form/digit": Score(0.05, 0.03, 0.07),
    "probe/own_over_closed_form/colour": Score(-0.015, -0.018, -0.012),
    "probe/gap": Score(0.45, 0.4, 0.5),
    "closed_form/gap": Score(0.44, 0.39, 0.49),
    "probe/gap_over_closed_form": Score(0.01, -0.02, 0.04),
    "reconstruction/squared_error": Score(0.3, 0.28, 0.32, details={"grey_levels": 20.0}),
    "roundtrip/max": Score(4e-6),
    "response/sample/digit/changed": Score(0.6, 0.5, 0.7),
    "response/sample/digit/outside": Score(0.04, 0.03, 0.05),
    "response/swap/colour/outside": Score(0.06, 0.045, 0.075),
}


def test_there_is_nothing_to_say_of_a_layer_that_is_as_it_should_be() -> None:
    assert findings(FINE) == []
    assert findings({}) == []
    assert findings({"unseen/set/score": Score(0.9, 0.8, 1.0, details={"recognised": 0.95})}) == []


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"unseen/set/score": Score(0.5, 0.4, 0.6, details={"recognised": 0.12})},
            "the judge has not seen the combinations of data.leave_out, either, and knows 12 % of the test images that "
            "show them: unseen/set/score says what it sees, and little of T",
        ),
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
            {"roundtrip/max": Score(1.5e8)},
            "T does not find its way back: T⁻¹(T(z)) is off by up to 1.5e+08 standard deviations of z (roundtrip/max; "
            "0.001 is a lot), so that an edit changes more than it says; more images, fewer steps or fewer blocks help",
        ),
        (
            {"probe/gap_over_closed_form": Score(-0.12, -0.16, -0.08), "probe/gap": Score(0.32, 0.28, 0.36)},
            "T sorts worse than the best linear map, which needs no training: probe/gap 0.32 against 0.44 "
            "(probe/gap_over_closed_form -0.12 [-0.16, -0.08]); where its curves still fall, more steps help, else "
            "more images, fewer steps or fewer blocks help",
        ),
        (
            {"probe/own_over_closed_form/colour": Score(-0.3, -0.4, -0.2), "probe/closed_form/colour": Score(1.0)},
            "the factor of 'colour' holds less of it than that of the best linear map: 0.70 against 1.00 "
            "(probe/own_over_closed_form/colour -0.30 [-0.40, -0.20])",
        ),
        (
            {
                "probe/own/colour": Score(0.41, 0.38, 0.44, chance=0.0),
                "probe/latent/colour": Score(0.4, 0.35, 0.45),
                "probe/closed_form/colour": Score(0.42, 0.38, 0.46),
            },
            "z itself hardly holds 'colour': 0.40 is read from all of it (probe/latent/colour 0.40 [0.35, 0.45]), 0.42 "
            "from the best linear map, 0.41 from its factor; another layer or network may hold more",
        ),
        (
            {"reconstruction/squared_error": Score(0.62, 0.6, 0.64)},
            "the network hardly draws the images it is shown: its error is 62 % of their variance "
            "(reconstruction/squared_error 0.62 [0.60, 0.64]), and no edit shows more than it draws; train it longer, "
            "or let it have a longer z",
        ),
        (
            {
                "response/sample/digit/outside": Score(0.31, 0.29, 0.33),
                "response/swap/colour/outside": Score(0.2, 0.19, 0.21),
            },
            "of the edits of a factor up to 31 % lead outside of what T was trained on (response/sample/digit/outside "
            "0.31 [0.29, 0.33]), where the answer of the network says little",
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
        {"probe/gap_over_closed_form": Score(-0.2, -0.5, 0.01)},
        {"probe/own_over_closed_form/digit": Score(-0.2, -0.4, -0.01)},
        {"probe/latent/digit": Score(0.45, 0.39, 0.51), "probe/own/digit": Score(0.4, 0.3, 0.5, chance=0.0)},
        {"probe/latent/colour": Score(0.4, 0.35, 0.45)},
        {"probe/latent/colour": Score(0.4, 0.35, 0.45), "probe/own/colour": Score(0.3, 0.2, 0.4)},
        {"reconstruction/squared_error": Score(0.52, 0.49, 0.55)},
        {"roundtrip/max": Score(9e-4)},
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
