import warnings

import numpy as np
import pytest

from pipeline.basis.layout import Layout
from pipeline.scores.code_scores import (
    CodeScores,
    FittedSeeds,
    code_scores,
    fitted_scores,
    shared_pairs,
    unconverged_line,
)
from pipeline.scores.fit.pair import pair_correlation
from pipeline.scores.probes.matrix import probe_matrix
from pipeline.scores.probes.models import counting_unconverged

from .codes import LAYOUT, good_study, rotation_across

pytestmark = pytest.mark.usefixtures("few_blocks")


def test_a_good_code_and_one_rotated_across_factors(good_scores: CodeScores) -> None:
    study = good_study(100).rotated(rotation_across())
    rotated = code_scores(study.code, study.concepts, LAYOUT, seed=2**62).scores
    assert good_scores.scores["probe/gap"].value > 0.8 > 0.4 > rotated["probe/gap"].value
    assert good_scores.scores["pair/own/digit"].value > 0.7 > 0.6 > rotated["pair/own/digit"].value
    assert good_scores.scores["block_tc"].value < 0.5 < 1 < rotated["block_tc"].value
    assert {name.partition("/")[0] for name in rotated} == {"probe", "pair", "block_tc", "per_dimension"}


def test_what_is_left_out_is_said(good_scores: CodeScores) -> None:
    assert good_scores.left_out == ("pair scores of 'colour' are left out: no two originals share a value",)
    assert "pair/own/colour" not in good_scores.scores
    assert good_scores.scores["pair/own"].value == good_scores.scores["pair/own/digit"].value


def test_parts_are_those_of_their_functions(good_scores: CodeScores) -> None:
    study = good_study(100)
    linear = probe_matrix(study.code, study.concepts, LAYOUT, seed=3)
    for factor in LAYOUT.names:
        assert good_scores.scores[f"probe/matrix/{factor}/digit"] == linear.cell(factor, "digit")


def test_pairs_are_resampled_by_their_originals(good_scores: CodeScores) -> None:
    study = good_study(100)
    pairs = shared_pairs({"digit": study.digit}, np.arange(100), 2000, 3)
    both = study.code[pairs.a], study.code[pairs.b]
    groups = np.stack([pairs.a, pairs.b], axis=1)
    expected = pair_correlation(*both, pairs.concept, LAYOUT, 3, ["digit"], groups)
    assert good_scores.scores["pair/own/digit"] == expected["pair/own/digit"]


def test_a_constant_dimension_and_few_rows_leave_total_correlation_out() -> None:
    study = good_study(60)
    study.code[:, 2] = 7.0
    layout = Layout.of(("digit",), (6, 9))
    constant = code_scores(study.code, {"digit": np.where(np.arange(60) == 5, 9, study.digit)}, layout)
    assert constant.left_out == (
        "pair scores of 'digit' are without 1 rows whose value no other original has",
        "block_tc is left out: codes: dimension 2 is constant over 60 rows",
    )
    few = code_scores(study.code[:30], {"digit": study.digit[:30] % 2}, layout)
    assert few.left_out == (
        "block_tc is left out: block_tc: 30 rows are too few for 15 dimensions; more than 30 are needed",
    )
    assert 0 <= few.scores["probe/own"].value <= 1


def test_probes_that_stop_before_their_optimum_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    study, layout = good_study(60), Layout.of(("digit",), (6, 9))
    concepts = {"digit": study.digit}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = code_scores(study.code, concepts, layout).scores
        monkeypatch.setattr("pipeline.scores.probes.models.MAX_STEPS", 1)
        stopped = code_scores(study.code, concepts, layout).scores
    assert "unconverged" not in whole["probe/gap"].details
    assert unconverged_line(whole) is None
    count = stopped["probe/gap"].details["unconverged"]
    assert isinstance(count, int)
    assert 10 <= count <= 2 * 5 * (1 + 5 + 1), "of two factors, five folds: as they are, permuted, perfect"
    assert (unconverged_line(stopped) or "").startswith(f"{count} fits of linear probes ")


def test_a_warning_that_is_not_scikit_learns_is_kept() -> None:
    with pytest.warns(RuntimeWarning, match="overflow"), counting_unconverged() as unconverged:
        np.float64(1e308) * np.float64(1e308)
    assert unconverged == []


def test_each_kind_of_fit_is_announced_as_it_begins() -> None:
    study, begun = good_study(60), []
    fitted_scores(study.code, study.concepts, LAYOUT, None, FittedSeeds(0, 0), begins=begun.append)
    assert begun == ["scores of single dimensions", "RBF probes", "linear probes"]
