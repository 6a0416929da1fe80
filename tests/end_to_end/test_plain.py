"""A study without a concept: everything through dvc, with features of a classifier and of a file."""

import json
from pathlib import Path

import pytest
import torch
from mlflow import MlflowClient

from pipeline.iin.iin import load_iin

from .project import Project

BASELINES = ("gaussian", "mixture", "prior")


class Means(torch.nn.Module):
    """Features of pixels: the mean of each channel, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.times * images.float().mean(dim=(2, 3))


def test_a_study_without_a_concept(copy: Project, tmp_path: Path) -> None:
    copy.edit({"data": {"concepts": []}, "tune": {"trials": 0}})
    done = copy.succeed("dvc", "repro")
    assert "models/judge: held-out accuracy digit" in done.out
    iin = load_iin(copy.path / "models/layers/latent/iin")
    assert (iin.layout.names, iin.layout.sizes) == (("residual",), (32,))
    scores = json.loads((copy.path / "results/latent/scores.json").read_text())
    assert not {name for name in scores if name.startswith(("probe/", "swap/", "set/", "pair/"))}
    assert {f"frechet/{way}" for way in ("flow", "reconstruction", *BASELINES)} <= set(scores)
    assert {f"frechet/gain_over/{way}" for way in BASELINES} <= set(scores)
    assert scores["frechet/flow"]["details"]["features"] == "classifier of digit"
    figures = {path.name for path in (copy.path / "results/latent/figures").iterdir()}
    assert figures == {"drawn.png", "directions.png", "path.png", "reconstructions.png", "curves.png"}
    assert "What one hidden vector can be" in (copy.path / "reports/latent.html").read_text()
    assert "no concept; nll/gain_over_gaussian" in note(copy, "test-a-study-without-a-concept")

    copy.edit({"evaluate": {"features": str(tmp_path / "means.pt")}})
    distances = []
    for times in (1, 2):  # another content under the same name
        torch.jit.script(Means(times)).save(tmp_path / "means.pt")
        assert copy.succeed("dvc", "repro", "evaluate@latent").ran == ["check", "evaluate@latent"]
        score = json.loads((copy.path / "results/latent/scores.json").read_text())["frechet/flow"]
        assert score["details"] == {"features": "file", "dimensions": 3, "images": 75}
        distances.append(score["value"])
    assert distances[1] == pytest.approx(4 * distances[0], rel=1e-4)
    copy.edit({"evaluate": {"features": "gone.pt"}})
    wrong = copy.run("dvc", "repro", "evaluate@latent")
    line = "error: evaluate.features: gone.pt is not there; a TorchScript or torch.export file is expected\n"
    assert line in wrong.err


def note(project: Project, study: str) -> str:
    """The description of the one run of a study in MLflow."""
    client = MlflowClient(tracking_uri=f"sqlite:///{project.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(f"iin-{study}")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    return str(run.data.tags["mlflow.note.content"])
