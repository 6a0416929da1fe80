"""A file of a network that holds something else is told before any stage runs."""

import shutil
from pathlib import Path

import pytest
import torch
from imports import ROOT
from refusals import refusal_of
from safetensors.torch import save_file

from pipeline.inputs.checked import check_inputs
from pipeline.inputs.network_files import require_exported, require_weights
from pipeline.params import EvaluateParams, Params
from pipeline.places import Places

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
TENSORS = {"weight": torch.zeros(2)}


def test_what_torch_and_safetensors_write_is_taken(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "w.safetensors", {"format": "pt"})
    torch.save(TENSORS, tmp_path / "zip.pt")
    torch.save(TENSORS, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("w.safetensors", "zip.pt", "old.pth"):
        require_weights(tmp_path / name)
    torch.export.save(torch.export.export(torch.nn.ReLU(), (torch.zeros(2),)), tmp_path / "n.pt2")
    require_exported(tmp_path / "n.pt2")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("w.safetensors", POINTER, "safetensors: it begins with 'version https://git-'"),
        ("w.safetensors", b"\x05" + 7 * b"\0" + b"[1,2]", "safetensors: it begins with "),
        ("w.safetensors", b"", "safetensors: it is empty"),
        ("w.pt", POINTER, "checkpoint of torch: it begins with 'version https://git-'"),
        ("w.pt", b"<!DOCTYPE html>", "checkpoint of torch: it begins with '<!DOCTYPE html>'"),
        ("w.pt", b"", "checkpoint of torch: it is empty"),
    ],
)
def test_a_file_that_holds_no_weights_is_one_line(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert refusal_of(require_weights, path).startswith(f"backbone.weights: {path} is no {expected}")


def test_a_file_that_is_no_exported_program_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "n.pt2").write_bytes(POINTER)
    assert refusal_of(require_exported, tmp_path / "n.pt2") == (
        f"backbone.network: {tmp_path / 'n.pt2'} is no exported program: it begins with 'version https://git-'"
    )


def test_a_file_of_features_is_looked_at_for_stage_evaluate_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    params, path = Params(evaluate=EvaluateParams(features="features.pt")), tmp_path / "features.pt"
    wanted = "evaluate.features: features.pt is not there; a TorchScript or torch.export file is expected"
    assert refusal_of(check_inputs, params, Places()) == wanted
    path.write_text("<html>")
    wanted = "evaluate.features: features.pt is no TorchScript or torch.export file: it begins with '<html>'"
    assert refusal_of(check_inputs, params, Places()) == wanted
    found = []
    for content in (b"PK one", b"PK other"):
        path.write_bytes(content)
        found.append(check_inputs(params, Places()))
    assert all((of.images, of.network) == ({}, {}) for of in found)
    assert found[0].features["evaluate.features"] != found[1].features["evaluate.features"]
