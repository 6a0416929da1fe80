from importlib import import_module

import pytest

from pipeline.scores.code_scores import CodeScores, code_scores

from .codes import LAYOUT, good_study


@pytest.fixture(scope="session")
def good_scores() -> CodeScores:
    """All scores of `good_study(100)`, computed side by side, for comparison with what one process gives."""
    study = good_study(100)
    return code_scores(study.code, study.concepts, LAYOUT, seed=3, processes=2)


@pytest.fixture
def few_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of values: each block of the jackknife refits all trees; test_dci.py tests the interval itself."""
    monkeypatch.setattr(import_module("pipeline.scores.literature.dci"), "_NUM_BLOCKS", 2)


@pytest.fixture
def one_permutation(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of values and perfect codes: each permutation refits all probes."""
    monkeypatch.setattr(import_module("pipeline.scores.probes.matrix"), "_NUM_PERMUTATIONS", {"linear": 1, "rbf": 1})
