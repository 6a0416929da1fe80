"""The stage `train` under dvc: a killed dvc, two workers, a store that does not answer. A killed worker: test_cold."""

import json
import re
import shutil
import socket
from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

from .conftest import Repro
from .project import PATIENCE, Project, finish, in_mid_training

COMMAND = ("dvc", "repro", "train@latent")
IIN = "models/layers/latent/iin"
UPLOAD = "python -m pipeline.tracking upload --layer latent"


@pytest.mark.faults
def test_a_killed_dvc_goes_on_by_the_same_command(untrained: Project, same_iin: Callable[[Project], None]) -> None:
    with in_mid_training(untrained, untrained.start(*COMMAND)) as training:
        training.dvc.kill()
        training.stage.kill()
        finish(training.dvc)
        training.worker.wait(PATIENCE)
    (generation,) = untrained.path.glob(".runs/train-*/gen-*")
    step = max(int(path.name.removeprefix("step-")) for path in generation.glob("step-*"))
    assert 40 <= step < 300
    assert not (untrained.path / IIN).exists()

    done = untrained.succeed(*COMMAND)
    assert done.ran == ["check", "train@latent"]
    assert f"train latent: 1 worker(s) on cpu, going on from step {step}\n" in done.out
    same_iin(untrained)
    assert_every_point_once(untrained, "iin-test-a-killed-dvc-goes-on-by-the-same-command")


def test_two_workers_give_the_curves_of_one(study: Repro, untrained: Project) -> None:
    untrained.edit({"machine": {"workers": 2}})
    done = untrained.succeed(*COMMAND)
    assert "train latent: 2 worker(s) on cpu\n" in done.out
    assert done.err == ""
    one, two = entries(study.project), entries(untrained)
    assert [list(entry) for entry in two] == [list(entry) for entry in one]
    assert two != one  # the sums of two halves are rounded otherwise, so that both took part
    for found, expected in zip(two, one, strict=True):
        assert found == pytest.approx(expected, rel=2e-3)


@pytest.mark.faults
def test_a_store_that_does_not_answer_is_filled_later(study: Repro, untrained: Project) -> None:
    shutil.copytree(study.path / ".runs", untrained.path / ".runs", symlinks=True)  # trained, but for the last words
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody listens
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
        done = untrained.succeed(*COMMAND, MLFLOW_TRACKING_URI=address)
    assert re.fullmatch(rf"warning: MLflow at {address} gives no answer \(.*\); .*: {UPLOAD}\n", done.err)
    assert (untrained.path / IIN / "weights.safetensors").exists()

    assert "uploaded layer latent" in untrained.succeed(*UPLOAD.split()).out
    assert_every_point_once(untrained, "iin-test-a-store-that-does-not-answer-is-filled-later")


def entries(project: Project) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (project.path / IIN / "metrics.jsonl").read_text().splitlines()]


def assert_every_point_once(project: Project, experiment: str) -> None:
    """The experiment holds one training, finished, with the curves that lie on disk."""
    client = MlflowClient(tracking_uri=f"sqlite:///{project.path / 'mlflow.db'}")
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    (run,) = client.search_runs([found.experiment_id], "tags.`iin.kind` = 'training'")
    assert run.info.status == "FINISHED"
    for name in ("train/pair_nats", "val/pair_nats"):
        history = client.get_metric_history(run.info.run_id, name)
        expected = [(entry["step"], entry[name]) for entry in entries(project) if name in entry]
        assert sorted((point.step, point.value) for point in history) == expected
