"""A concept that two pictures give, from `dvc repro` to its scores."""

import json

from PIL import Image

from pipeline.tables.images import load_images

from .project import Project

MODEL = "def shaded(pixels, sketch):\n    return pixels // 2 + (sketch[..., 0].mean() // 2).astype('uint8')\n"


def test_two_pictures_become_a_concept(copy: Project) -> None:
    (copy.path / "own_styles.py").write_text(MODEL)
    for name, level in (("a.png", 10), ("b.png", 240)):
        (copy.path / "shade").mkdir(exist_ok=True)
        picture = Image.new("RGB", (8, 8), (level, level, level))
        picture.putpixel((0, 0), (0, 0, 0))
        picture.save(copy.path / "shade" / name)
    copy.edit(
        {
            "data": {"concepts": ["shade"], "sketches": {"shade": "shade"}, "copies": 1},
            "style": {"model": "own_styles:shaded"},
            "tune": {"trials": 0},
        }
    )
    done = copy.succeed("dvc", "repro", "evaluate@latent")
    assert done.ran.index("prepare") < done.ran.index("stylise") < done.ran.index("backbone")
    images = load_images(copy.path / "data/images", "test")
    assert images.labels["shade"].tolist() == [0, 1, 2] * 75
    scores = json.loads((copy.path / "results/latent/scores.json").read_text())
    assert scores["probe/own/shade"]["chance"] < 0.2 < 0.5 < scores["probe/own/shade"]["value"]

    (copy.path / "own_styles.py").write_text(f"{MODEL}# another\n")
    again = copy.succeed("dvc", "repro", "stylise")
    assert again.ran == ["check", "stylise"]


def test_a_sketch_that_is_missing_is_refused_before_anything_runs(copy: Project) -> None:
    copy.edit({"data": {"concepts": ["digit", "shade"], "sketches": {"shade": "nowhere"}}})
    done = copy.run("dvc", "repro")
    assert "data.sketches.shade: nowhere is no folder; one that holds a.png and b.png is expected" in done.err
    assert done.ran == ["check"]
