"""A training is followed, taken up again after a failure, and published by any stage without a point twice."""

from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import Run
from PIL import Image
from ruamel.yaml import YAML

from pipeline.files import sha256_file
from pipeline.places import Places
from pipeline.report.commit import UNKNOWN
from pipeline.tracking import tracker as tracker_module
from pipeline.tracking.publish import bring_level, last_whole_stage, publish
from pipeline.tracking.store import Store, check_server, run_link
from pipeline.tracking.tracker import RunTracker

from .files import CARD, LAYER, curve_lines, write_iin, write_results


def runs(store: Store) -> list[Run]:
    """All runs of the experiment but the sweep's."""
    return list(store.client().search_runs([store.experiment_key], "tags.`iin.kind` = 'training'"))


def history(store: Store, run_id: str, name: str) -> list[tuple[int, float]]:
    return sorted((metric.step, metric.value) for metric in store.client().get_metric_history(run_id, name))


def everything(store: Store) -> list[Any]:
    """All that the store holds of the experiment, as plain values."""
    client = store.client()
    all_runs = [run.to_dictionary() for run in client.search_runs([store.experiment_key])]
    points = [[history(store, run.info.run_id, name) for name in run.data.metrics] for run in runs(store)]
    artifacts = [file.path for run in runs(store) for file in client.list_artifacts(run.info.run_id)]
    models = client.search_logged_models([store.experiment_key])
    return [all_runs, points, artifacts, [model.model_id for model in models]]


def train(store: Store, root: Path, steps: range, seed: int = 0) -> None:
    """What the train stage does, with a trainer that is done at once."""
    metrics = root / "metrics.jsonl"
    with RunTracker(store, LAYER, CARD, metrics, root):
        metrics.write_text(curve_lines(*steps))
        write_iin(root, metrics.read_text(), seed)


def test_followed_training(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    store = check_server("default", LAYER)
    write_results(project)  # of older weights: not this run's
    train(store, project, range(100, 700, 100))
    (run,) = runs(store)
    run_id = run.info.run_id
    assert capfd.readouterr().out == f"MLflow run of layer {LAYER}: {run_link(store, run_id)} (after `make ui`)\n"
    assert run.info.status == "FINISHED"
    assert history(store, run_id, "train/pair_nats") == [(step, 200 - step / 10) for step in range(100, 700, 100)]
    assert [step for step, _ in history(store, run_id, "val/pair_nats")] == [200, 400, 600]
    assert run.data.params["flow.num_blocks"] == "2"
    assert run.data.params["sizes.digit"] == "2"
    assert run.data.params["train.clip"] == "5.0"
    expected = {
        "layer": LAYER,
        "mlflow.iin.fingerprint": "f1",
        "mlflow.iin.backbone_sha256": "b1",
        "mlflow.iin.data_sha256": "d1",
        "mlflow.iin.weights_sha256": sha256_file(project / "models/layers/latent/iin/weights.safetensors"),
        "mlflow.note.content": "2 blocks, sizes residual 4, digit 2, colour 2",
    }
    assert {name: run.data.tags[name] for name in expected} == expected
    assert "restored_from" not in run.data.tags
    assert set(run.data.metrics) == {"train/pair_nats", "val/pair_nats"}
    (output,) = run.outputs.model_outputs
    assert output.step == 600
    assert store.client().get_logged_model(output.model_id).status == "READY"


def test_curves_are_sent_while_the_training_runs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracker_module, "POLL_SECONDS", 0.01)
    store = check_server("default", LAYER)
    metrics = project / "metrics.jsonl"
    with RunTracker(store, LAYER, CARD, metrics, project):
        metrics.write_text(curve_lines(100) + '{"step": 200, "train/pa')  # the trainer is writing its second line
        while not (runs(store) and "train/pair_nats" in runs(store)[0].data.metrics):
            pass
        (run,) = runs(store)
        assert run.info.status == "RUNNING"
        assert history(store, run.info.run_id, "train/pair_nats") == [(100, 190.0)]
        metrics.write_text(curve_lines(100, 200))
        write_iin(project, metrics.read_text())
    assert [step for step, _ in history(store, run.info.run_id, "train/pair_nats")] == [100, 200]


def test_of_several_seeds_the_first_is_followed_under_its_name_and_the_curve_of_the_kept_one_comes_at_the_end(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker_module, "POLL_SECONDS", 0.01)
    store, metrics, followed = check_server("default", LAYER), project / "metrics.jsonl", "seeds/4/train/pair_nats"
    card = CARD | {"seed": 4, "seeds": 2}
    with RunTracker(store, LAYER, card, metrics, project):
        metrics.write_text(curve_lines(100, 200))
        while not (runs(store) and followed in runs(store)[0].data.metrics):
            pass
        (run,) = runs(store)
        assert "train/pair_nats" not in run.data.metrics
        metrics.write_text(curve_lines(100, 200, 300))
        maps = {"4": (0, metrics.read_text()), "5": (1, curve_lines(150, 250))}
        for seed, (weights, curve) in maps.items():
            write_iin(project, curve, weights, project / "seeds" / seed)
        write_iin(project, maps["5"][1], 1, seeds=project / "seeds", card=card | {"chosen_seed": 5})
    (run,) = runs(store)
    four, five = (
        [step for step, _ in history(store, run.info.run_id, f"seeds/{seed}/train/pair_nats")] for seed in (4, 5)
    )
    kept = history(store, run.info.run_id, "train/pair_nats")
    assert (four, five, [step for step, _ in kept]) == ([100, 200, 300], [150, 250], [150, 250])
    assert run.data.params["chosen_seed"] == "5"
    (output,) = run.outputs.model_outputs
    model = Path(store.client().get_logged_model(output.model_id).artifact_location.removeprefix("file://"))
    assert not list(model.rglob("seeds"))
    assert sha256_file(model / "artifacts/iin/weights.safetensors") == run.data.tags["mlflow.iin.weights_sha256"]


def test_resumed_training_takes_up_its_run(project: Path) -> None:
    store = check_server("default", LAYER)
    metrics = project / "metrics.jsonl"
    metrics.write_text(curve_lines(100, 200, 300, 400))
    with pytest.raises(RuntimeError, match="worker lost"), RunTracker(store, LAYER, CARD, metrics, project):
        raise RuntimeError("worker lost")
    (failed,) = runs(store)
    assert failed.info.status == "FAILED"
    assert [step for step, _ in history(store, failed.info.run_id, "train/pair_nats")] == [100, 200, 300, 400]
    train(store, project, range(100, 900, 100))  # from the checkpoint of step 200, steps 300 and 400 once more
    (run,) = runs(store)
    assert run.info.run_id == failed.info.run_id
    assert run.info.status == "FINISHED"
    assert [step for step, _ in history(store, run.info.run_id, "train/pair_nats")] == list(range(100, 900, 100))


def test_same_weights_trained_again_are_the_same_run(project: Path) -> None:
    store = check_server("default", LAYER)
    train(store, project, range(100, 400, 100))
    before = everything(store)
    train(store, project, range(100, 400, 100))
    assert everything(store) == before
    train(store, project, range(100, 400, 100), seed=1)
    assert len({run.data.tags["mlflow.iin.weights_sha256"] for run in runs(store)}) == 2
    assert all("restored_from" not in run.data.tags for run in runs(store))


def test_source_of_a_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_STAGE", "train@latent")
    monkeypatch.setenv("DVC_EXP_NAME", "wide")
    git = tracker_module.source_tags.__globals__["_git"]
    for arguments in (
        ["init", "-q"],
        ["config", "user.email", "a@example.org"],
        ["config", "user.name", "A"],
        ["add", "params.yaml"],
        ["commit", "-q", "-m", "params"],
    ):
        assert git(*arguments) is not None
    clean = tracker_module.source_tags()
    assert clean["mlflow.source.git.commit"] == git("rev-parse", "HEAD")
    assert clean["git.dirty"] == "false"
    assert clean["dvc.stage"] == "train@latent"
    assert clean["dvc.experiment"] == "wide"
    (project / "params.yaml").write_text("study: other\n")
    assert tracker_module.source_tags()["git.dirty"] == "true"


def test_scores_and_figures(project: Path) -> None:
    store = check_server("default", LAYER)
    train(store, project, range(100, 300, 100))
    write_results(project)
    run_id = publish(store, LAYER, "evaluate")
    assert run_id == runs(store)[0].info.run_id
    client = store.client()
    assert [file.path for file in client.list_artifacts(run_id)] == ["params.yaml", "scores.json", "scores.md"]
    publish(store, LAYER, "interpret")
    run = client.get_run(run_id)
    scores = {name: value for name, value in run.data.metrics.items() if "pair_nats" not in name}
    assert scores == {"probe/gap": 0.9312, "swap/score": 0.95, "roundtrip/max": 3.142e-7}
    headline, _, table = run.data.tags["mlflow.note.content"].partition("\n\n")
    assert headline == (
        "probe/gap 0.93 [0.91, 0.94]; swap/score 0.95 [0.94, 0.96]; 2 blocks, sizes residual 4, digit 2, colour 2"
    )
    assert "| probe/gap | 0.9312 | 0.912 to 0.944 | 0 | 1 |" in table
    (figure,) = client.list_artifacts(run_id, "figures")
    assert Image.open(client.download_artifacts(run_id, figure.path)).getpixel((0, 0)) == (200, 30, 30)
    before = everything(store)
    publish(store, LAYER, "interpret")
    assert everything(store) == before


def test_a_report_says_the_commit_of_its_run(project: Path) -> None:
    store, path = check_server("default", LAYER), Places(project).report(LAYER)
    write_iin(project, curve_lines(100))
    write_results(project)
    path.parent.mkdir()
    path.write_text(f"<p>made at the commit {UNKNOWN}</p>")
    assert last_whole_stage(LAYER, project) == "report"
    run_id = bring_level(store, LAYER, "report", source={"mlflow.source.git.commit": "1f3a", "git.dirty": "true"})
    client = store.client()
    assert {"figures", "report.html"} <= {file.path for file in client.list_artifacts(run_id)}
    sent = Path(client.download_artifacts(run_id, "report.html")).read_text()
    assert sent == '<p>made at the commit <code id="commit">1f3a</code>, with edits that were not committed</p>'


def test_unknown_weights_open_a_restored_run(project: Path) -> None:
    write_iin(project, curve_lines(100, 200))
    write_results(project)
    store = check_server("default", LAYER)
    run_id = publish(store, LAYER, "interpret")
    assert run_id is not None
    run = store.client().get_run(run_id)
    assert run.data.tags["restored_from"] == f"models/layers/{LAYER}/iin"
    assert run.info.status == "FINISHED"
    assert run.data.params["rho"] == "0.975"
    assert history(store, run_id, "train/pair_nats") == [(100, 190.0), (200, 180.0)]
    assert run.data.metrics["probe/gap"] == 0.9312
    assert len(run.outputs.model_outputs) == 1
    before = everything(store)
    assert publish(store, LAYER, "interpret") == run_id
    assert everything(store) == before


def test_what_belongs_together_is_told_by_the_lock(project: Path) -> None:
    write_iin(project, curve_lines(100))
    write_results(project)
    assert last_whole_stage(LAYER, project) == "interpret"  # no lock, nothing known against it
    iin, scores = f"models/layers/{LAYER}/iin", f"results/{LAYER}/scores.json"
    stages: dict[str, Any] = {
        f"train@{LAYER}": {"outs": [{"path": iin, "md5": "new"}]},
        f"evaluate@{LAYER}": {"deps": [{"path": iin, "md5": "new"}], "outs": [{"path": scores, "md5": "s"}]},
        f"interpret@{LAYER}": {"deps": [{"path": scores, "md5": "s"}, {"path": "pipeline/interpret", "md5": "p"}]},
    }
    for md5, whole in (("s", "interpret"), ("older", "evaluate")):
        stages[f"interpret@{LAYER}"]["deps"][0]["md5"] = md5
        with (project / "dvc.lock").open("w") as file:
            YAML().dump({"schema": "2.0", "stages": stages}, file)
        assert last_whole_stage(LAYER, project) == whole
    stages[f"evaluate@{LAYER}"]["deps"][0]["md5"] = "older"
    with (project / "dvc.lock").open("w") as file:
        YAML().dump({"schema": "2.0", "stages": stages}, file)
    assert last_whole_stage(LAYER, project) == "train"
