"""A study of a decoder alone, whose images are its own draws: everything through dvc."""

import json
import shutil

import numpy as np

from pipeline.backbone.generator import NO_ENCODER
from pipeline.tables.images import load_images
from pipeline.tables.latents import load_latents

from .project import Project, write_images

MINE = """
from pathlib import Path

import numpy as np

from pipeline.backbone.kinds import load_backbone


def decoder():
    return load_backbone(Path("teacher")).network.decoder


def names(pixels):
    halves = pixels.mean(axis=(1, 3)).reshape(len(pixels), 2, 16).mean(axis=2)
    more = halves[:, 0] - halves[:, 1]
    sides = np.where(more > np.median(more), "left", "right")
    return {"brighter": sides.tolist(), "level": halves.mean(axis=1)}
"""


def test_a_generator(copy: Project) -> None:
    shutil.copytree(copy.path / "models/backbone", copy.path / "teacher")
    (copy.path / "mine.py").write_text(MINE)
    copy.edit(
        {
            "data": {
                "source": "generator",
                "labeller": "mine:names",
                "max_images": 400,
                "copies": 1,
                "concepts": ["brighter", "level"],
                "graded": {"level": 2.0},
            },
            "backbone": {"kind": "generator", "network": "mine:decoder"},
            "tune": {"trials": 0},
        }
    )
    done = copy.succeed("dvc", "repro")
    assert "prepare" in done.ran
    assert "draw  400/400 images" in done.out
    assert json.loads((copy.path / "data/latents/latent/card.json").read_text()) == {"noise": "none"}
    latents, images = (
        load_latents(copy.path / "data/latents/latent", "test"),
        load_images(copy.path / "data/images", "test"),
    )
    assert latents.mean.shape == (100, 32)
    assert np.array_equal(latents.id, images.id)
    scores = json.loads((copy.path / "results/latent/scores.json").read_text())
    assert {"probe/own/brighter", "probe/own/level", "swap/score"} <= set(scores)
    assert {"probe/latent/level", "closed_form/gap", "probe/gap_over_closed_form"} <= set(scores)
    assert not {"nll/gain_over_gaussian", "reconstruction/squared_error"} & set(scores)
    assert not (copy.path / "results/latent/figures/reconstructions.png").exists()
    assert abs(scores["preserve/squared_error"]["value"]) < 1e-3
    assert (copy.path / "results/latent/figures/swap_brighter.png").is_file()
    assert copy.succeed("dvc", "repro").ran == ["check"]
    copy.edit({"backbone": {"steps": 7}})  # of which no image is made
    assert copy.succeed("dvc", "repro").ran == ["check", "backbone"]

    done = copy.run("python", "-m", "pipeline.apply.__main__", "--model", "models/layers/latent/iin",
                    "--images", str(write_images(copy.path / "photos", 2)))  # fmt: skip
    assert (done.code, done.err) == (1, f"error: --model: models/layers/latent/iin: {NO_ENCODER}\n")
