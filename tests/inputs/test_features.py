"""A file of the network by whose features images are compared is looked at, for stage evaluate alone."""

import shutil
from pathlib import Path

import pytest
from imports import ROOT
from refusals import refusal_of

from pipeline.inputs.checked import Checked, check_inputs
from pipeline.params import EvaluateParams, Params
from pipeline.places import Places


def checked() -> Checked:
    return check_inputs(Params(evaluate=EvaluateParams(features="features.pt")), Places())


def test_one_that_is_none_is_refused_and_any_change_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    wanted = "evaluate.features: features.pt is not there; a TorchScript or torch.export file is expected"
    assert refusal_of(checked) == wanted
    path = Path("features.pt")
    path.write_text("<html>")
    wanted = "evaluate.features: features.pt is no TorchScript or torch.export file: it begins with '<html>'"
    assert refusal_of(checked) == wanted
    found = []
    for content in (b"PK one", b"PK other"):
        path.write_bytes(content)
        found.append(checked())
    assert all((of.images, of.network, of.sketches) == ({}, {}, {}) for of in found)
    first, second = (of.features["evaluate.features"] for of in found)
    assert first != second
