"""What z and the closed form tell, bracketed from both sides; and the interval of what T adds."""

import numpy as np
import pytest

from pipeline.scores.probes import probe_matrix, probe_scores, reference_scores, whole
from pipeline.scores.statistics.score import Score

from .codes import LAYOUT, Study, good_study, rotation_within

STUDY = good_study(200)
ORIGINAL = np.arange(200) // 2


def measured(trained: Study, closed_form: Study, latent: np.ndarray) -> dict[str, Score]:
    matrices = [study.matrix(groups=ORIGINAL) for study in (trained, closed_form)]
    z = probe_matrix(latent, STUDY.concepts, whole(latent.shape[1]), groups=ORIGINAL)
    return reference_scores(matrices[0], matrices[1], z, LAYOUT)


@pytest.mark.usefixtures("one_permutation")
def test_what_the_closed_form_tells_is_what_the_same_probes_tell_of_its_code() -> None:
    """A colour that is nowhere, and a digit whose factor is half noise."""
    rng = np.random.default_rng(1)
    poor = STUDY.with_factor("colour", rng.normal(size=(200, 5)))
    poor = poor.with_factor("digit", poor.factor("digit") + 2 * rng.normal(size=(200, 4)))
    scores, own = measured(STUDY, poor, poor.code), probe_scores(poor.matrix(groups=ORIGINAL), LAYOUT)
    for part in ("", "/digit", "/colour"):
        assert scores[f"probe/closed_form{part}"] == own[f"probe/own{part}"]
        assert scores[f"closed_form/gap{part}"] == own[f"probe/gap{part}"]
    trained = probe_scores(STUDY.matrix(groups=ORIGINAL), LAYOUT)
    gain = scores["probe/gap_over_closed_form"]
    assert gain.value == pytest.approx(trained["probe/gap"].value - own["probe/gap"].value)
    assert gain.low > 0.5
    assert (gain.chance, gain.perfect) == (None, None)
    for concept in LAYOUT.concepts:
        more = scores[f"probe/own_over_closed_form/{concept}"]
        wanted = trained[f"probe/own/{concept}"].value - own[f"probe/own/{concept}"].value
        assert more.value == pytest.approx(wanted)
        assert more.low > 0.1
    assert measured(poor, STUDY, poor.code)["probe/gap_over_closed_form"].high < -0.5


@pytest.mark.usefixtures("one_permutation")
def test_the_interval_of_a_difference_is_paired() -> None:
    """A code that is turned within its factors tells the same of the same rows, whatever originals are drawn."""
    scores = measured(STUDY, STUDY.rotated(rotation_within()), STUDY.code)
    gain, gap = scores["probe/gap_over_closed_form"], scores["closed_form/gap"]
    assert gain.high - gain.low < 0.5 * np.sqrt(2) * (gap.high - gap.low), "that of two independent gaps"
    assert gain.low <= 0 <= gain.high
    same = measured(STUDY, STUDY, STUDY.code)["probe/gap_over_closed_form"]
    assert (same.value, same.low, same.high) == (0, 0, 0)


@pytest.mark.usefixtures("one_permutation")
def test_all_of_z_tells_a_concept_wherever_it_is_and_nothing_where_it_is_not() -> None:
    hidden = np.random.default_rng(2).permutation(LAYOUT.num_dims)
    scores = measured(STUDY, STUDY, STUDY.code[:, hidden])
    assert scores["probe/latent/digit"].low > 0.9
    assert scores["probe/latent/colour"].low > 0.9
    assert scores["probe/latent"].value == pytest.approx(
        np.mean([scores[f"probe/latent/{concept}"].value for concept in LAYOUT.concepts])
    )
    empty = measured(STUDY, STUDY, STUDY.factor("residual"))
    for concept in LAYOUT.concepts:
        score = empty[f"probe/latent/{concept}"]
        assert score.low <= max(score.chance, 0) + 0.05
        assert score.value < 0.2
        assert score.perfect == scores[f"probe/closed_form/{concept}"].perfect
        assert score.perfect > 0.95
