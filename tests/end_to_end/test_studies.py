"""Variations of a study: `dvc exp run` in the workspace, and a study file beside it."""

import json
import os
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from ruamel.yaml import YAML

from .conftest import Repro
from .project import OUTPUTS, STAGES, Project


def test_an_experiment_changes_one_param(copy: Project) -> None:
    copy.edit({"tune": {"trials": 0}})
    before = (copy.path / "params.yaml").read_text()
    copy.git("config", "user.name", "tests")
    copy.git("config", "user.email", "tests@example.org")
    done = copy.succeed("dvc", "exp", "run", "--name", "weaker", "-S", "flow.rho=0.9", "train@latent")
    assert done.ran == ["check", "tune@latent", "train@latent"]
    after = (copy.path / "params.yaml").read_text()
    expected = parsed(before)
    expected["flow"]["rho"] = 0.9
    assert parsed(after) == expected
    assert [line.partition("#")[2] for line in after.splitlines() if "#" in line] == [
        line.partition("#")[2] for line in before.splitlines() if "#" in line
    ]
    card = json.loads((copy.path / "models/layers/latent/iin/card.json").read_text())
    assert card["rho"] == 0.9
    assert "weaker" in copy.succeed("dvc", "exp", "show", "--csv").out


def test_a_study_runs_beside_the_workspace(study: Repro, copy: Project, tmp_path: Path) -> None:
    """On a machine where git does not know its user."""
    stranger = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "GIT_CONFIG_SYSTEM": os.devnull}
    before = copy.files(*OUTPUTS), copy.git("status", "--porcelain"), (copy.path / "params.yaml").read_text()
    done = copy.succeed("python", "-m", "pipeline.study", "small_residual", **stranger)
    assert done.ran == ["check", *STAGES[STAGES.index("tune@latent") :]]
    after = copy.files(*OUTPUTS), copy.git("status", "--porcelain"), (copy.path / "params.yaml").read_text()
    assert after == before

    client = MlflowClient(tracking_uri=f"sqlite:///{copy.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("iin-small_residual")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["rho"] == "0.9"
    assert [run.data.params[f"sizes.{name}"] for name in ("residual", "digit", "colour")] == ["8", "14", "10"]
    assert run.data.tags["dvc.experiment"] == "small_residual"
    assert run.data.tags["mlflow.note.content"].partition("probe/gap ")[1]
    figures = {item.path for item in client.list_artifacts(run.info.run_id, "figures")}
    assert figures == {f"figures/{path.name}" for path in (study.path / "results/latent/figures").iterdir()}
    assert "small_residual" in copy.succeed("dvc", "exp", "show", "--csv").out
    copy.succeed("dvc", "get", ".", "models/backbone", "--rev", "small_residual", "--out", "fetched")
    names = {path.name: path.read_bytes() for path in (copy.path / "fetched").iterdir()}
    assert names == {path.name: path.read_bytes() for path in (study.path / "models/backbone").iterdir()}

    assert copy.succeed("python", "-m", "pipeline.study", "small_residual", **stranger).ran == ["check"]


def parsed(text: str) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return content
