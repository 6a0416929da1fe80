"""A study of a network and images that a person brings: everything through dvc."""

import csv
import json

import numpy as np
from PIL import Image

from .project import Project, write_images

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

    readers = {"backbone", "extract@inner", "evaluate@inner", "interpret@inner", "report@inner"}
    assert changed(copy, "mine.py", "# a comment\n") == readers
    assert changed(copy, "concepts.csv", "gone.png,a,0.5\n") == readers | {"prepare"}

    copy.edit({"backbone": {"network": "mime:make"}})
    done = copy.run("python", "-m", "stages.backbone")
    message = "error: backbone.network: no module 'mime' can be imported (No module named 'mime')\n"
    assert (done.code, done.err) == (1, message)

    copy.edit({"backbone": {"network": "mine:make"}, "layers": ["inner", "innr"]})
    done = copy.run("python", "-m", "stages.backbone")
    assert done.code == 1
    assert done.err.startswith("error: layers: no layer 'innr' in the network; nearest are inner")


def changed(project: Project, file: str, more: str) -> set[str]:
    """Stages that run anew after a line was added to a file of a person's."""
    with (project.path / file).open("a") as opened:
        opened.write(more)
    project.succeed("dvc", "repro", "check")
    status = json.loads(project.succeed("dvc", "status", "--json").out)
    return set(status) - {"check"}  # which always runs
