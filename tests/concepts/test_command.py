"""`python -m pipeline.concepts discover` on a small study, and the next run that has a candidate as a concept."""

import sys
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal_of
from small_layer import write_layer

from pipeline.concepts.__main__ import main
from pipeline.files import parse_yaml
from pipeline.params import DataParams
from pipeline.places import Places
from pipeline.prepare.discovered import CandidateTable
from pipeline.prepare.images import prepare
from pipeline.tables.images import load_images

DATA = "data: {max_images: 200, copies: 2, num_colours: 8, concepts: [digit, colour"
DIRECTIONS = "accepted are numbers from 1, or 0 with --clusters"
FEW = ["--clusters", "3", "--directions", "1"]


@pytest.fixture
def study(tmp_path: Path, small_images: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(f"study: small\n{DATA}]}}\n")
    write_layer(Places(), small_images)
    return tmp_path


def discover(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["concepts", "discover", *arguments])
    main()


def test_a_candidate_is_a_concept_of_the_next_run(
    study: Path, small_data: DataParams, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    discover(monkeypatch, *FEW)
    said = capsys.readouterr().out
    assert "clusters_3: agreement when found anew" in said
    folder = study / "discovered" / "latent"
    assert sorted(path.name for path in folder.iterdir()) == ["candidates.parquet", "candidates.png"]
    table = CandidateTable.read(folder / "candidates.parquet")
    assert list(table.labels) == ["clusters_3", "direction_1"]
    advice = read_advice(said)
    surest = max(table.labels, key=lambda name: float(said.split(f"{name}: agreement when found anew ")[1][:4]))
    assert advice.discovered.named == {"NAME": surest}
    assert advice.concepts == ("digit", "colour", "NAME")
    named = {"table": str(folder / "candidates.parquet"), "named": {"shape": "clusters_3"}}
    prepare(small_data.changed(discovered=named, concepts=("digit", "shape")), 0, study / "next")
    for split in ("train", "val", "test"):
        before, after = load_images(Places().images, split), load_images(study / "next", split)
        assert np.array_equal(before.pixels, after.pixels)
        assert np.array_equal(before.labels["digit"], after.labels["digit"])
        rows = np.searchsorted(table.ids, after.id)
        assert np.array_equal(after.labels["shape"], table.labels["clusters_3"][rows])
        assert len(np.unique(after.labels["shape"])) > 1
    assert after.class_names["shape"] == ["cluster 0", "cluster 1", "cluster 2"]


def read_advice(said: str) -> DataParams:
    """The section of params.yaml that the last lines say."""
    return DataParams.model_validate(parse_yaml(said[said.index("data:") :].encode(), "said")["data"])


def test_the_advice_leaves_out_what_a_second_table_does_not_hold(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    discover(monkeypatch, *FEW)
    named = "discovered: {table: discovered/latent/candidates.parquet, named: {shape: clusters_3}}"
    (study / "params.yaml").write_text(f"study: small\n{DATA}, shape], {named}}}\n")
    capsys.readouterr()
    discover(monkeypatch, *FEW, "--out", "second")
    advice = read_advice(capsys.readouterr().out)
    assert advice.concepts == ("digit", "colour", "NAME")
    assert advice.discovered.table == "second/candidates.parquet"


def test_a_folder_of_somebody_elses_is_not_replaced(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (study / "mine").mkdir()
    (study / "mine/photo.png").write_text("")
    assert refusal_of(discover, monkeypatch, *FEW, "--out", "mine").startswith("--out: mine holds 'photo.png'")
    assert (study / "mine/photo.png").exists()


def test_it_finds_the_same_again(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for out in ("a", "b"):
        discover(monkeypatch, *FEW, "--out", out)
    for name in ("candidates.parquet", "candidates.png"):
        assert (study / "a" / name).read_bytes() == (study / "b" / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--layer", "conv5"], "--layer: found 'conv5', accepted are latent"),
        (["--clusters", "1"], "--clusters: found 1, accepted are numbers from 2"),
        (["--clusters", "50"], "--clusters: found 50, accepted are up to 35 for so few training originals"),
        (["--directions", "-1"], f"--directions: found -1, {DIRECTIONS}"),
        (
            ["--clusters", "--directions", "0"],
            f"--directions: found 0, {DIRECTIONS}",
        ),
    ],
)
@pytest.mark.usefixtures("study")
def test_what_is_wrong_is_one_line(arguments: list[str], line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal_of(discover, monkeypatch, *arguments) == line


def test_the_table_of_a_studys_own_concepts_is_not_replaced(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    discover(monkeypatch, *FEW)
    named = "discovered: {table: discovered/latent/candidates.parquet, named: {shape: clusters_3}}"
    (study / "params.yaml").write_text(f"study: small\n{DATA}, shape], {named}}}\n")
    before = (study / "discovered/latent/candidates.parquet").read_bytes()
    assert refusal_of(discover, monkeypatch, *FEW) == (
        "--out: discovered/latent/candidates.parquet is the table of this study's own concepts "
        "(data.discovered.table); name another folder"
    )
    assert (study / "discovered/latent/candidates.parquet").read_bytes() == before
