"""What there is too little of is said at the extraction, before anything is trained on it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from backbone.toys import toy_images, write_images

from pipeline.backbone.cut import Noise
from pipeline.errors import InputError
from pipeline.extract.enough import require_dimensions, require_scorable, said_of_few


def images(folder: Path, num: int, **labels: list[int]) -> Path:
    test = toy_images(num, seed=3)
    test.labels.update({name: np.array(column) for name, column in labels.items()})
    return write_images(folder, test=test)


def test_five_originals_that_have_a_value_in_every_concept_are_enough(tmp_path: Path) -> None:
    some = [0, 1, -1, 0, 1, 1, -1]
    require_scorable(images(tmp_path, 7, digit=some, colour=[0, 1, 0, 1, 0, 1, 1]))
    folder = images(tmp_path / "fewer", 7, digit=some, colour=[0, 1, 0, 1, 0, -1, -1])
    with pytest.raises(InputError) as caught:
        require_scorable(folder)
    assert str(caught.value) == (
        f"{folder / 'test.parquet'}: 4 originals have a value in every concept, at least 5 are needed to score it; see "
        "data.test_share and data.concepts"
    )


def test_a_concept_of_one_value_among_them_is_refused(tmp_path: Path) -> None:
    folder = images(tmp_path, 7, digit=[0, 0, 0, 0, 0, 1, 0], colour=[0, 1, 0, 1, 0, -1, 1])
    with pytest.raises(InputError, match="the 6 images that have a value in every concept have one value in 'digit'"):
        require_scorable(folder)


def test_a_concept_may_be_called_as_a_column_of_the_tables(tmp_path: Path) -> None:
    labels = {name: np.array([0, 1, 0, 1, 0, 1, 0]) for name in ("scale", "original")}
    require_scorable(
        write_images(
            tmp_path,
            test=replace(toy_images(7, seed=3), labels=labels, values={}, num_categories={"scale": 2, "original": 2}),
        )
    )


def test_a_layer_needs_a_number_for_each_factor() -> None:
    require_dimensions("head", 3, 2)
    with pytest.raises(InputError, match=r"2 numbers of layer 'head' vary .*, at least 3 are needed for 2 concepts"):
        require_dimensions("head", 2, 2)


@pytest.mark.parametrize(
    ("num_dims", "expected"),
    [
        (37, ""),
        (38, "block_tc, which needs more than 76 test images (there are 75)"),
        (200, "block_tc, which needs more than 400 test images (there are 75) and nll/gain_over_gaussian, which needs "
         "more than 200 training images (there are 200)"),
    ],
)  # fmt: skip
def test_what_evaluate_will_leave_out_is_said(num_dims: int, expected: str) -> None:
    said = said_of_few("pool", num_dims, {"train": 200, "val": 30, "test": 75}, "mean", "jitter")
    helps = "; what helps is a narrower layer, or latents.reduce: {pca: 37}, or more images"
    assert said == (expected and f"extract pool: {num_dims} dimensions leave out {expected}{helps}")
    drawn = said_of_few("latent", num_dims, {"train": 200, "val": 30, "test": 75}, "mean", "none")
    assert drawn.rpartition("; ")[0] == (
        expected and f"extract latent: {num_dims} dimensions leave out {expected.partition(' and ')[0]}"
    ), "a generator has no gain to leave out"


@pytest.mark.parametrize(
    ("reduce", "noise", "rows", "helps"),
    [
        ("none", "jitter", 75, "a narrower layer, or of a map or tokens latents.reduce: mean, or "
         "latents.reduce: {pca: 37, of: none}, or more images"),
        ("pca 64 of none", "jitter", 75, "a narrower layer, or latents.reduce: {pca: 37, of: none}, or more images"),
        ("pca 64", "jitter", 75, "a narrower layer, or latents.reduce: {pca: 37}, or more images"),
        ("token 0", "jitter", 4, "a narrower layer, or more images"),
        ("mean", "encoder", 75, "a backbone.num_dims up to 37, or more images"),
        ("mean", "none", 75, "more images"),
    ],
)  # fmt: skip
def test_only_what_is_not_set_yet_is_said_to_help(reduce: str, noise: Noise, rows: int, helps: str) -> None:
    said = said_of_few("pool", 64, {"train": 200, "val": 30, "test": rows}, reduce, noise)
    assert said.endswith(f"; what helps is {helps}")
    assert said_of_few("pool", 37, {"train": 200, "val": 30, "test": 75}, reduce, noise) == "", "and it does help"
