"""A study of a classifier at two layers, as a person would run it: everything through dvc."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from mlflow import MlflowClient

from pipeline.backbone.kinds import load_backbone
from pipeline.files import sha256_file
from pipeline.tables.latents import load_latents

from .project import Project, write_images

LAYERS = ("stage2", "features")


def test_a_classifier_at_two_layers(copy: Project, tmp_path: Path) -> None:
    copy.edit(
        {
            "layers": list(LAYERS),
            "backbone": {"kind": "classifier", "concept": "digit"},
            "tune": {"trials": 0},
            "evaluate": {"response_draws": 4, "response_images": 60},
        }
    )
    copy.succeed("dvc", "repro")
    backbone = load_backbone(copy.path / "models/backbone")
    assert not list((copy.path / "models/judge").glob("*.safetensors"))
    figures = {"counterfactuals", "curves", "decision_examples", "decisions", "embeddings", "pairs"}
    figures |= {"probe_matrix", "responses"}
    for layer in LAYERS:
        scores = json.loads((copy.path / f"results/{layer}/scores.json").read_text())
        for kind in ("sample", "swap", "walk"):
            for factor in ("residual", "digit", "colour"):
                names = {f"response/{kind}/{factor}/{name}" for name in ("changed", "class_deviation", "outside")}
                assert names <= set(scores)
        assert scores["preserve/agreement"]["value"] == 1
        assert not any(name.startswith("swap/") for name in scores)
        assert {path.stem for path in (copy.path / f"results/{layer}/figures").iterdir()} == figures
        latents = load_latents(copy.path / f"data/latents/{layer}", "train", backbone.sha256)
        assert latents.layer == layer
        assert np.allclose(latents.scale[0], 0.05 * latents.mean.std(axis=0), rtol=1e-4)
    names = {"scores.json", "scores.csv", "layers.png", "depth.png", "training.png"}
    assert {path.name for path in (copy.path / "comparison").iterdir() if path.name != ".gitignore"} == names
    for layer in LAYERS:
        page = (copy.path / f"reports/{layer}.html").read_text()
        assert "What the decision answers to" in page
        assert "Layer by layer" in page
    assert copy.succeed("dvc", "repro").ran == ["check"]

    listed = copy.succeed("python", "-m", "pipeline.backbone", "layers").out
    assert "features.2  Linear" in listed
    copy.edit({"layers": ["stage2", "featurs"]})
    done = copy.run("python", "-m", "stages.extract", "--layer", "featurs")
    assert done.code == 1
    assert done.err.startswith("error: layers: no layer 'featurs' in the network; nearest are features")
    assert sha256_file(copy.path / "models/backbone/weights.safetensors") == backbone.sha256

    client = MlflowClient(tracking_uri=f"sqlite:///{copy.path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("iin-test-a-classifier-at-two-layers")
    assert experiment is not None
    runs = {run.data.tags["layer"]: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(LAYERS)
    commit = copy.git("rev-parse", "HEAD").strip()
    sent = Path(client.download_artifacts(runs["features"].info.run_id, "report.html", str(tmp_path))).read_text()
    assert f'<code id="commit">{commit}</code>' in sent
    folder = write_images(copy.path / "photos", 5)
    done = copy.succeed("python", "-m", "pipeline.apply.__main__", "--model", runs["features"].info.run_id,
                        "--images", str(folder), "--sample", "digit")  # fmt: skip
    assert done.out.startswith("applied: 5 images; ")
    table = pq.read_table(copy.path / "applied/applied.parquet")
    assert {"path", "latent", "digit", "digit_edited", "decision", "decision_edited"} <= set(table.column_names)
    assert table["decision"].to_pylist() == table["logits"].to_pandas().map(np.argmax).tolist()
