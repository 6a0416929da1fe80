"""What a study leaves in MLflow, read back as a person's own script would; the model applied to the study's latents."""

import json
import re
from pathlib import Path

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import torch
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

from pipeline.iin.iin import Iin, load_iin
from pipeline.tables.latents import Latents, load_latents

from .conftest import Repro

FIGURE = "figures/swap_digit.png"


@pytest.fixture(scope="module")
def client(study: Repro) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{study.path / 'mlflow.db'}")


@pytest.fixture(scope="module")
def runs(client: MlflowClient) -> list[Run]:
    experiment = client.get_experiment_by_name("iin-default")
    assert experiment is not None
    return list(client.search_runs([experiment.experiment_id]))


@pytest.fixture(scope="module")
def training(runs: list[Run]) -> Run:
    (run,) = [run for run in runs if run.data.tags["iin.kind"] == "training"]
    return run


@pytest.fixture(scope="module")
def iin(study: Repro) -> Iin:
    return load_iin(study.path / "models/layers/latent/iin")


@pytest.fixture(scope="module")
def latents(study: Repro) -> Latents:
    return load_latents(study.path / "data/latents/latent", "test")


def test_one_training_and_one_sweep_all_finished(runs: list[Run]) -> None:
    assert sorted(run.data.tags["iin.kind"] for run in runs) == ["sweep", "training", "trial", "trial"]
    assert {run.info.status for run in runs} == {"FINISHED"}


def test_params_are_those_of_the_study(study: Repro, training: Run, iin: Iin) -> None:
    params = YAML(typ="safe", pure=True).load((study.path / "params.yaml").read_text())
    logged = training.data.params
    betas = params["train"].pop("betas")
    assert logged["train.betas"] == ", ".join(str(beta) for beta in betas)
    assert (logged["data.source"], logged["backbone.kind"]) == (params["data"]["source"], params["backbone"]["kind"])
    assert float(logged["latents.jitter"]) == params["latents"]["jitter"]
    for key in ("schedule", "precision"):
        assert logged[f"train.{key}"] == params["train"].pop(key)
    assert {key: float(logged[f"train.{key}"]) for key in params["train"]} == params["train"]
    assert float(logged["rho"]) == params["flow"]["rho"]
    assert int(logged["flow.width"]) == params["flow"]["width"]
    assert int(logged["flow.num_blocks"]) == iin.flow.config.num_blocks
    assert [int(logged[f"sizes.{name}"]) for name in iin.layout.names] == list(iin.layout.sizes)


def test_tags_say_where_the_run_comes_from(study: Repro, training: Run, iin: Iin) -> None:
    tags = training.data.tags
    assert tags["mlflow.iin.weights_sha256"] == iin.sha256
    assert tags["mlflow.iin.backbone_sha256"] == iin.card["backbone_sha256"]
    assert tags["mlflow.source.git.commit"] == study.project.git("rev-parse", "HEAD").strip()
    assert tags["git.dirty"] == "false"
    assert tags["dvc.stage"] == "train@latent"
    assert tags["layer"] == "latent"


def test_curves_hold_every_point_once(study: Repro, client: MlflowClient, training: Run) -> None:
    lines = (study.path / "models/layers/latent/iin/metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    names = {name for entry in entries for name in entry} - {"step"}
    assert {"train/pair_nats", "train/learning_rate", "val/pair_nats", "val/bits_per_dim"} <= names
    for name in names:
        expected = [(entry["step"], entry[name]) for entry in entries if name in entry]
        history = client.get_metric_history(training.info.run_id, name)
        assert sorted((point.step, point.value) for point in history) == expected


def test_scores_are_metrics_of_four_digits(study: Repro, training: Run) -> None:
    metrics = json.loads((study.path / "results/latent/metrics.json").read_text())
    for name, value in metrics.items():
        if value is None:
            assert name not in training.data.metrics
        else:
            assert training.data.metrics[name] == pytest.approx(value, rel=1e-3), name


def test_figures_and_tables_are_artifacts(study: Repro, client: MlflowClient, training: Run, tmp_path: Path) -> None:
    run_id, results = training.info.run_id, study.path / "results/latent"
    top = {item.path for item in client.list_artifacts(run_id)}
    assert top == {"figures", "images", "params.yaml", "report.html", "scores.json", "scores.md"}
    figures = {item.path for item in client.list_artifacts(run_id, "figures")}
    assert figures == {f"figures/{path.name}" for path in (results / "figures").iterdir()}
    fetched = client.download_artifacts(run_id, FIGURE, str(tmp_path))
    assert Path(fetched).read_bytes() == (results / FIGURE).read_bytes()
    table = json.loads(Path(client.download_artifacts(run_id, "scores.json", str(tmp_path))).read_text())
    assert table == json.loads((results / "scores.json").read_text())


def test_the_note_begins_with_a_sentence_of_scores(training: Run, iin: Iin) -> None:
    first, _, rest = training.data.tags["mlflow.note.content"].partition("\n\n")
    interval = r"-?\d\.\d\d \[-?\d\.\d\d, -?\d\.\d\d\]"
    sizes = ", ".join(f"{name} {size}" for name, size in zip(iin.layout.names, iin.layout.sizes, strict=True))
    shape = f"{iin.flow.config.num_blocks} blocks, sizes {sizes}"
    assert re.fullmatch(
        rf"(.+\.) probe/gap {interval} \(closed form -?\d\.\d\d\); swap/score {interval}; {shape}", first
    )
    findings, table, _ = rest.partition("| score | value |")
    assert table
    said = [line for line in findings.split("\n") if line and not line.startswith("- ")]
    assert [line.partition(" ")[0] for line in said] == ["Pictures:", "Depth"]


def test_trials_lie_below_their_sweep(study: Repro, runs: list[Run], training: Run) -> None:
    table = YAML(typ="safe", pure=True).load((study.path / "models/layers/latent/flow.yaml").read_text())
    (parent,) = [run for run in runs if run.data.tags["iin.kind"] == "sweep"]
    trials = [run for run in runs if run.data.tags["iin.kind"] == "trial"]
    assert {run.data.tags["mlflow.parentRunId"] for run in trials} == {parent.info.run_id}
    by_number = {int(run.data.tags["mlflow.iin.trial"]): run for run in trials}
    assert sorted(by_number) == [0, 1]
    for trial in table["trials"]:
        run = by_number[trial["number"]]
        assert run.data.tags["chosen"] == str(trial["chosen"]).lower()
        assert run.data.metrics["nll/pair_nats"] == pytest.approx(trial["pair_nats"], rel=1e-3)
    assert training.data.tags["mlflow.iin.sweep_run_id"] == parent.info.run_id


def test_the_model_does_what_the_flow_does(client: MlflowClient, training: Run, iin: Iin, latents: Latents) -> None:
    assert training.outputs is not None
    (output,) = training.outputs.model_outputs
    assert output.step == 300
    model = mlflow.pyfunc.load_model(client.get_logged_model(output.model_id).artifact_location)
    z = latents.mean
    with torch.no_grad():
        expected = iin.flow(torch.from_numpy(z))[0].numpy()
    codes = model.predict(pd.DataFrame({"latent": list(z)}))
    np.testing.assert_allclose(_vectors(codes["code"]), expected, atol=1e-5)
    assert np.abs(expected - z).max() > 0.1

    back = model.predict(codes, params={"operation": "inverse"})
    np.testing.assert_allclose(_vectors(back["latent"]), z, atol=1e-4)

    donors = pd.DataFrame({"latent": list(z), "donor": list(np.roll(z, 1, axis=0))})
    edited = model.predict(donors, params={"operation": "swap", "factor": "digit"})
    found = _vectors(model.predict(edited)["code"])
    block = iin.layout.slice("digit")
    expected[:, block] = np.roll(expected, 1, axis=0)[:, block]
    np.testing.assert_allclose(found, expected, atol=1e-3)


def _vectors(column: "pd.Series[list[float]]") -> np.ndarray:
    return np.array(column.tolist(), dtype=np.float32)
