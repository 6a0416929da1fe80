"""The studies that are there: the params that differ, laid over params.yaml."""

from pathlib import Path

import pytest

from pipeline.params import Params, load_params
from pipeline.study import read_study

ROOT = Path(__file__).parents[2]

STUDIES = sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_right_and_a_classifier_is_watched_often(name: str) -> None:
    sections = load_params(ROOT / "params.yaml").model_dump()
    for key, value in read_study(name).items():
        sections[key] = sections[key] | value if isinstance(value, dict) else value
    backbone = Params.model_validate(sections).backbone
    if backbone.kind == "classifier":
        assert backbone.steps // backbone.validate_every >= 12
