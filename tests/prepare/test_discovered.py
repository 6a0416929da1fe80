"""Concepts from a table of candidates."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from refusals import refusal_of

from pipeline.inputs.checked import check_inputs
from pipeline.params import DataParams, Params
from pipeline.places import Places
from pipeline.prepare.discovered import CandidateTable
from prepare.own_images import KINDS, NUM, PIXELS, content, files, params, prepared, refusal, write

COPIES = 2


def study(tmp_path: Path, **changes: Any) -> DataParams:
    """Animals in a folder, with a table that says of each stored copy whether its id is odd."""
    write(tmp_path / "animals", files())
    before = params(tmp_path / "animals", copies=COPIES)
    ids = np.arange(NUM * COPIES)
    table = CandidateTable(ids, {"odd": ids // 3 % 2}, {"odd": ["no", "yes"]}, CandidateTable.images_of(before, 0))
    table.write(tmp_path / "candidates.parquet")
    named = {"table": str(tmp_path / "candidates.parquet"), "named": {"oddness": "odd"}}
    return params(
        tmp_path / "animals", **{"copies": COPIES, "concepts": ("class", "oddness"), "discovered": named, **changes}
    )


def test_each_copy_has_the_class_that_the_table_says(tmp_path: Path) -> None:
    images = prepared(study(tmp_path), tmp_path / "images")
    for split in images.values():
        assert np.array_equal(split.labels["oddness"], split.id // 3 % 2)
        assert split.class_names == {"class": ["cat", "dog", "emu"], "oddness": ["no", "yes"]}
    assert len(images["train"]) == COPIES * len(np.unique(images["train"].original))


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"copies": 3}, "data.copies: found 3, but {table} was discovered with 2"),
        ({"val_share": 0.2}, "data.val_share: found 0.2, but {table} was discovered with 0.1"),
    ],
)
def test_a_table_of_other_images_is_refused(tmp_path: Path, changes: dict[str, Any], line: str) -> None:
    found = refusal(study(tmp_path, **changes), tmp_path / "images")
    assert found == line.format(table=tmp_path / "candidates.parquet")


def test_an_image_that_the_table_does_not_know_is_named(tmp_path: Path) -> None:
    of = study(tmp_path)
    write(tmp_path / "animals", ["zebu/new.png"])
    assert refusal(of, tmp_path / "images") == (
        f"data.discovered.table: no image {NUM * COPIES}: it is of other images; run `python -m pipeline.concepts "
        "discover` on these"
    )


def test_a_candidate_that_is_not_there_is_refused(tmp_path: Path) -> None:
    table = str(tmp_path / "candidates.parquet")
    of = study(tmp_path, discovered={"table": table, "named": {"oddness": "even"}})
    assert refusal(of, tmp_path / "images") == (
        f"data.discovered.named: oddness: no candidate 'even' in {table}; it has odd"
    )


def test_a_name_that_the_source_has_is_refused(tmp_path: Path, small_data: DataParams) -> None:
    images, path = CandidateTable.images_of(small_data, 0), tmp_path / "candidates.parquet"
    CandidateTable(np.arange(9), {"odd": np.arange(9) % 2}, {"odd": ["no", "yes"]}, images).write(path)
    of = small_data.changed(discovered={"table": str(path), "named": {"digit": "odd"}})
    assert refusal(of, tmp_path / "images") == (
        "data.discovered.named: 'digit' is a column of source colormnist already; accepted is another name"
    )


@pytest.mark.parametrize("given", ["discovered", "sketches"])
@pytest.mark.parametrize("source", ["image_folder", "parquet"])
def test_a_name_of_a_column_that_is_no_concept_here_is_refused(tmp_path: Path, source: str, given: str) -> None:
    names = files()
    write(tmp_path / "animals", names)
    table = pa.table(
        {"path": names, "class": [KINDS[row % 3] for row in range(NUM)], "wild": [True, False] * (NUM // 2)}
    )
    pq.write_table(table, tmp_path / "animals.parquet")
    columns = {"image": [content(image) for image in PIXELS], "class": table["class"], "wild": table["wild"]}
    pq.write_table(pa.table(columns), tmp_path / "bytes.parquet")
    path, where = {
        "image_folder": (tmp_path / "animals", {"table": str(tmp_path / "animals.parquet")}),
        "parquet": (tmp_path / "bytes.parquet", {"source": "parquet"}),
    }[source]
    key, named = {
        "discovered": ("data.discovered.named", {"table": "a.parquet", "named": {"wild": "odd"}}),
        "sketches": ("data.sketches", {"wild": "x"}),
    }[given]
    of = params(path, **where, concepts=("class", "wild"), **{given: named})
    assert refusal(of, tmp_path / "images") == (
        f"{key}: 'wild' is a column of source {source} already; accepted is another name"
    )


def test_what_is_no_such_table_is_refused(tmp_path: Path) -> None:
    of = study(tmp_path)
    pq.write_table(pa.table({"id": [1]}), tmp_path / "candidates.parquet")
    wanted = "expected is a table that python -m pipeline.concepts discover wrote"
    assert f"data.discovered.table: {tmp_path / 'candidates.parquet'}: {wanted}" in refusal(of, tmp_path / "images")
    (tmp_path / "candidates.parquet").write_text("no table")
    assert wanted in refusal(of, tmp_path / "images")


def test_stage_check_looks_at_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    whole = Params(data=study(tmp_path))
    assert "data.discovered.table" in check_inputs(whole, Places()).images
    (tmp_path / "candidates.parquet").unlink()
    assert refusal_of(check_inputs, whole, Places()).endswith(
        "candidates.parquet is not there; a table that python -m pipeline.concepts discover wrote is expected"
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"discovered": {"named": {"odd": "odd"}}}, "named: found 'odd', but no table"),
        ({"discovered": {"table": "a.parquet"}}, "table: found 'a.parquet', but named is empty"),
        (
            {"discovered": {"table": "a.parquet", "named": {"odd": "odd"}}},
            "data.discovered.named: found 'odd', which data.concepts does not list; add it",
        ),
    ],
)
def test_half_of_what_is_needed_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        DataParams.model_validate(changes)
