"""Studies of other networks and other images, as a person would run them: everything through dvc."""

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from mlflow import MlflowClient
from PIL import Image

from pipeline.backbones import load_backbone
from pipeline.data import load_latents
from pipeline.files import sha256_file

from .project import Project

LAYERS = ("stage2", "features")
NETWORK = '''
import torch
from torch import nn


class Wide(nn.Module):
    """Batch normalisation, a skip around `inner`, an activation in place, a unit that is dead for ever."""

    def __init__(self, classes):
        super().__init__()
        self.inner = nn.Conv2d(3, 12, 5, 4)
        self.norm = nn.BatchNorm2d(12)
        self.relu = nn.ReLU(inplace=True)
        self.around = nn.Conv2d(3, 12, 5, 4)
        self.head = nn.Linear(12, classes)

    def forward(self, images):
        found = self.relu(self.norm(self.inner(images))) + self.around(images)
        return self.head(found.mean(dim=(2, 3)))


def make(classes=5):
    torch.manual_seed(0)
    network = Wide(classes)
    with torch.no_grad():
        network.inner.weight[3] = 0
    return network
'''


def test_a_classifier_at_two_layers(copy: Project) -> None:
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
    figures = {"curves", "decision_examples", "decisions", "probe_matrix", "responses"}
    for layer in LAYERS:
        scores = json.loads((copy.path / f"results/{layer}/scores.json").read_text())
        for kind in ("sample", "swap", "walk"):
            for factor in ("residual", "digit", "colour"):
                assert {f"response/{kind}/{factor}/{name}" for name in ("changed", "class_deviation")} <= set(scores)
        assert scores["preserve/agreement"]["value"] == 1
        assert not any(name.startswith("swap/") for name in scores)
        assert {path.stem for path in (copy.path / f"results/{layer}/figures").iterdir()} == figures
        latents = load_latents(copy.path / f"data/latents/{layer}", "train", backbone.sha256)
        assert latents.layer == layer
        assert np.allclose(latents.scale[0], 0.05 * latents.mean.std(axis=0), rtol=1e-4)
    names = {"scores.json", "scores.csv", "layers.png", "depth.png", "training.png"}
    assert {path.name for path in (copy.path / "comparison").iterdir() if path.name != ".gitignore"} == names
    assert copy.succeed("dvc", "repro").ran == []

    listed = copy.succeed("python", "-m", "pipeline.backbones", "layers").out
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
    folder = write_images(copy.path / "photos", 5)
    done = copy.succeed("python", "-m", "pipeline.apply", "--model", runs["features"].info.run_id,
                        "--images", str(folder), "--sample", "digit")  # fmt: skip
    assert done.out.startswith("applied: 5 images; ")
    table = pq.read_table(copy.path / "applied/applied.parquet")
    assert {"path", "latent", "digit", "digit_edited", "decision", "decision_edited"} <= set(table.column_names)
    assert table["decision"].to_pylist() == table["logits"].to_pandas().map(np.argmax).tolist()


def test_a_network_and_images_that_a_person_brings(copy: Project) -> None:
    folder = write_images(copy.path / "photos", 300)
    with (copy.path / "concepts.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "kind", "brightness"])
        for number, path in enumerate(sorted(folder.iterdir())):
            brightness = np.asarray(Image.open(path)).mean() / 255
            writer.writerow([path.name, "" if number % 10 == 0 else "abc"[number % 3], f"{brightness:.6f}"])
    (copy.path / "mine.py").write_text(NETWORK)
    copy.edit(
        {
            "layers": ["inner"],
            "data": {
                "source": "image_folder",
                "path": "photos",
                "table": "concepts.csv",
                "copies": 1,
                "concepts": ["kind", "brightness"],
                "graded": {"brightness": 0.05},
            },
            "backbone": {"kind": "torch", "network": "mine:make", "arguments": {"classes": 7}},
            "flow": {"sizes": [5, 3, 3]},
            "tune": {"trials": 0},
            "evaluate": {"response_draws": 2, "response_images": 40},
        }
    )
    out = copy.succeed("dvc", "repro").out
    assert "whose concept is missing, which take no part in its pairs: 30 in 'kind'" in out
    assert "rows whose value is missing: " in out
    card = json.loads((copy.path / "data/latents/inner/card.json").read_text())
    assert card["constant"] == [3]
    scores = json.loads((copy.path / "results/inner/scores.json").read_text())
    assert scores["preserve/agreement"]["value"] == 1
    assert "preserve/accuracy" not in scores, "nobody has said what its seven classes are"
    assert scores["probe/own/brightness"]["value"] > 0.2

    copy.edit({"backbone": {"network": "mime:make"}})
    done = copy.run("python", "-m", "stages.backbone")
    message = "error: backbone.network: no module 'mime' can be imported (No module named 'mime')\n"
    assert (done.code, done.err) == (1, message)


def write_images(folder: Path, num: int) -> Path:
    """Images of 32x32 of many brightnesses."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(num):
        pixels = rng.integers(0, 60, (32, 32, 3)) + rng.integers(0, 190)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:03d}.png")
    return folder
