"""Two runs from nothing, in two folders at one time, give the same bytes; the backbone stays as it was trained.

The worker that trained the second flow was killed with SIGKILL on the way, of which nothing is left to be seen.
"""

import hashlib
import json

import pytest
from ruamel.yaml import YAML

from pipeline.files import sha256_file
from pipeline.tables.parquet import SPLITS, read_schema

from .conftest import Repro
from .project import OUTPUTS, STAGES


def test_every_output_has_the_same_bytes(study: Repro, again: Repro) -> None:
    first, second = study.project.files(*OUTPUTS), again.project.files(*OUTPUTS)
    assert {"data/latents/latent/train-00000.parquet", "results/latent/figures/swap_digit.png"} <= first.keys()
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


@pytest.mark.faults
def test_a_killed_worker_is_no_matter(again: Repro) -> None:
    assert sorted(again.done.ran) == sorted(STAGES)
    assert "going on" not in again.done.out
    assert again.done.err == ""


def test_the_locks_agree(study: Repro, again: Repro) -> None:
    """So the cache of one person serves the other."""
    assert (study.path / "dvc.lock").read_text() == (again.path / "dvc.lock").read_text()


def test_the_backbone_is_what_its_stage_left(study: Repro) -> None:
    """dvc took the checksums when the stage ended, before anything used the network."""
    lock = YAML(typ="safe", pure=True).load((study.path / "dvc.lock").read_text())
    (out,) = lock["stages"]["backbone"]["outs"]
    entries = json.loads((study.path / ".dvc/cache/files/md5" / out["md5"][:2] / out["md5"][2:]).read_text())
    assert "weights.safetensors" in {entry["relpath"] for entry in entries}
    for entry in entries:
        found = (study.path / "models/backbone" / entry["relpath"]).read_bytes()
        assert hashlib.md5(found).hexdigest() == entry["md5"], entry["relpath"]


def test_everything_after_it_names_this_backbone(study: Repro) -> None:
    sha256 = sha256_file(study.path / "models/backbone/weights.safetensors")
    for split in SPLITS:
        assert read_schema(study.path / f"data/latents/latent/{split}-00000.parquet")[1]["backbone_sha256"] == sha256
    card = json.loads((study.path / "models/layers/latent/iin/card.json").read_text())
    assert card["backbone_sha256"] == sha256
