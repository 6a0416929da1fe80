"""Sketches and the style model in params.yaml."""

import pytest
from pydantic import ValidationError

from pipeline.params import DataParams, StyleParams


def test_a_sketched_concept_is_none_of_the_source() -> None:
    params = DataParams(concepts=("digit", "roundness"), sketches={"roundness": "there"})
    assert params.own_concepts == params.prepared_concepts == ("digit",)
    assert DataParams().own_concepts == ("digit", "colour")


def test_a_sketch_of_no_concept_is_refused() -> None:
    with pytest.raises(
        ValidationError, match=r"data\.sketches: found 'round', accepted are data\.concepts: digit, colour"
    ):
        DataParams(sketches={"round": "there"})


def test_a_generator_has_no_sketches() -> None:
    with pytest.raises(ValidationError, match=r"data\.sketches: source 'generator' draws its images from latents"):
        DataParams(
            source="generator",
            labeller="mine:label",
            max_images=200,
            copies=1,
            concepts=("smile", "round"),
            sketches={"round": "there"},
        )


def test_a_graded_concept_is_one_of_the_images_as_they_were() -> None:
    own = {"source": "image_folder", "path": "there", "concepts": ("age", "round"), "sketches": {"round": "there"}}
    for name in ("agee", "round"):
        with pytest.raises(ValidationError, match=rf"data\.graded: found '{name}', accepted are data\.concepts: age"):
            DataParams.model_validate({**own, "graded": {name: 1.0}})
    assert DataParams.model_validate({**own, "graded": {"age": 1.0}}).graded == {"age": 1.0}


@pytest.mark.parametrize("model", ["sanet", "a.b", "a:b:c", ""])
def test_a_style_model_is_magenta_or_a_callable(model: str) -> None:
    with pytest.raises(ValidationError, match=r"accepted are magenta or package\.module:callable"):
        StyleParams(model=model)
    assert StyleParams(model="mine.styles:sanet").model == "mine.styles:sanet"


def test_sketched_images_are_no_rows_of_a_discovered_table() -> None:
    with pytest.raises(ValidationError, match=r"data\.sketches: found beside data\.discovered"):
        DataParams(
            concepts=("shape", "round"),
            sketches={"round": "there"},
            discovered={"table": "candidates.parquet", "named": {"shape": "clusters_2"}},
        )
