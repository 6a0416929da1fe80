"""The command on real files: a small network, a small map, images of a folder."""

import argparse
import contextlib
import io
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from backbone.generators import made_halves
from extents import ball
from PIL import Image
from refusals import refusal_of

from pipeline.apply.__main__ import main, requested
from pipeline.apply.application import apply_to_images, read_images
from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import Made, save_backbone
from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.generator import NO_ENCODER
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import load_iin, save_iin
from pipeline.iin.values import Categories
from pipeline.interpretation.interpretation import Interpretation
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_pixels, to_unit_range

LAYOUT = Layout.of(["digit", "colour"], [3, 2, 2])
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (11, 32, 32, 3), dtype=np.uint8)


@dataclass(frozen=True)
class Place:
    folder: Path

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "pipeline.apply", "--model", "iin", "--images", "images",
                "--backbone", "backbone", "--out", "out", *more]  # fmt: skip

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*more), cwd=self.folder, capture_output=True, text=True, timeout=300, check=False
        )

    def table(self, *more: str, num: int = 11) -> dict[str, np.ndarray]:
        said = io.StringIO()
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(said),
            patch("sys.argv", self.command(*more)[2:]),
        ):
            main()
        assert said.getvalue().startswith(f"out: {num} images; largest difference of an output after T and back: ")
        table = pq.read_table(self.folder / "out/applied.parquet")
        assert (self.folder / "out/applied.png").stat().st_size > 10_000
        return {name: np.array(table[name].to_pylist()) for name in table.column_names}


def make(folder: Path, made: Made, layer: str, kept: list[int]) -> Place:
    (folder / "images/deep").mkdir(parents=True)
    for number, image in enumerate(PIXELS):
        Image.fromarray(image).save(folder / "images" / ("deep" if number > 8 else "") / f"{number:02d}.png")
    save_backbone(folder / "backbone", made)
    backbone = load_backbone(folder / "backbone")
    z, _ = backbone.cut(layer).stored_latents(PIXELS, np.arange(len(PIXELS)))
    flow = Flow(FlowConfig(7, num_blocks=2, width=8, depth=1, seed=3))
    flow.initialise(z[:, kept])
    cut = {"reduce": "mean", "kept": kept, "image_shape": [32, 32]}
    card = {"backbone_sha256": backbone.sha256, "layer": layer, "cut": cut}
    digits = Categories(np.arange(3), np.arange(6.0).reshape(3, 2), 0.1 * np.eye(2))
    save_iin(folder / "iin", flow, LAYOUT, card, ball(7), metrics="", values={"digit": digits})
    return Place(folder)


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make(
        tmp_path_factory.mktemp("drawing"),
        AutoencoderBackbone.made(Autoencoder(7, 8, seed=0)),
        "latent",
        list(range(7)),
    )


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make(
        tmp_path_factory.mktemp("deciding"),
        ClassifierBackbone.made(Classifier(10, 8, seed=0), None),
        "stage1",
        [0, 1, 2, 4, 5, 6, 7],
    )


@pytest.fixture(scope="module")
def measuring(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A network that gives a dict, of which one entry is a number of no class."""
    section = {"kind": "torch", "network": "backbone.heads:Headed", "output": "values", "output_key": "logits"}
    section["arguments"] = {"form": "dict", "classes": 1}
    images = Images(np.arange(2), np.arange(2), PIXELS[:2], {}, {}, {})
    made = make_backbone(BackboneParams.model_validate(section), images, 0)
    return make(tmp_path_factory.mktemp("measuring"), made, "trunk", [0, 1, 2, 4, 5, 6, 7])


def test_without_an_edit_it_gives_the_factors(drawing: Place) -> None:
    table = drawing.table()
    assert [Path(path).name for path in table["path"]] == [f"{number:02d}.png" for number in range(11)]
    z, _ = load_backbone(drawing.folder / "backbone").cut("latent").encode(to_unit_range(PIXELS))
    assert np.allclose(table["latent"], z, atol=1e-6)
    for name in LAYOUT.names:
        assert table[name].shape == (11, LAYOUT.sizes[LAYOUT.index(name)])
        assert np.array_equal(table[name], table[f"{name}_edited"])


def test_a_swap_takes_one_factor_of_another_image(drawing: Place) -> None:
    table = drawing.table("--swap", "digit=images/04.png")
    assert np.allclose(table["digit_edited"], table["digit"][4], atol=1e-6)
    assert np.array_equal(table["colour_edited"], table["colour"])


def test_a_concept_is_set_to_a_value(drawing: Place) -> None:
    table = drawing.table("--set", "digit=2")
    assert np.allclose(table["digit_edited"], [4, 5], atol=1e-6)
    assert np.array_equal(table["colour_edited"], table["colour"])
    drawn = drawing.table("--set", "digit=2", "--spread", "--seed", "3")["digit_edited"]
    assert 0.01 < np.abs(drawn - [4, 5]).max() < 1
    assert len(np.unique(drawn, axis=0)) == 11


def test_an_edit_adds_to_one_number(drawing: Place) -> None:
    table = drawing.table("--edit", "colour:1=-1.5")
    assert np.allclose(table["colour_edited"] - table["colour"], [0, -1.5], atol=1e-6)
    assert np.array_equal(table["digit_edited"], table["digit"])

    interpretation = Interpretation.join(load_iin(drawing.folder / "iin"), load_backbone(drawing.folder / "backbone"))
    assert np.allclose(table["latent_back"], table["latent"], atol=1e-4)
    codes = np.concatenate([table[f"{name}_edited"] for name in LAYOUT.names], axis=1).astype(np.float32)
    z = interpretation.inverse(torch.from_numpy(codes))
    assert np.allclose(table["latent_edited"], z, atol=1e-5)
    assert not np.allclose(table["latent_edited"], table["latent"], atol=1e-2)


def test_an_edit_that_leads_far_is_said(drawing: Place) -> None:
    """T was trained within 1000 of 0, and this flow's numbers are of order 1."""
    assert drawing.table("--edit", "colour:1=-1.5")["distance_edited"].max() < 0.1
    done = drawing.run("--edit", "colour:1=1e6")
    assert done.returncode == 0
    assert done.stderr.startswith("warning: 11 of 11 edits lie outside of what T was trained on")
    assert done.stderr.count("\n") == 1


def test_each_edited_image_is_a_file(drawing: Place) -> None:
    table = drawing.table("--edit", "colour:1=-1.5")
    names = [f"edited/{'deep/' if number > 8 else ''}{number:02d}.png" for number in range(11)]
    assert table["image_edited"].tolist() == names
    backbone = load_backbone(drawing.folder / "backbone")
    wanted = to_pixels(
        backbone.cut("latent").rest(torch.zeros(11, 3, 32, 32))(torch.from_numpy(table["latent_edited"]).float())
    )
    for file, pixels in zip(names, wanted, strict=True):
        assert np.abs(np.asarray(Image.open(drawing.folder / "out" / file)).astype(int) - pixels).max() <= 1


def test_one_image_is_enough(drawing: Place) -> None:
    whole, table = drawing.table(), drawing.table("--images", "images/03.png", num=1)
    assert table["path"].tolist() == ["images/03.png"]
    assert np.allclose(table["latent"][0], whole["latent"][3], atol=1e-6)
    assert "image_edited" not in table
    assert not (drawing.folder / "out/edited").exists()


def test_a_classifier_decides_before_and_after(deciding: Place) -> None:
    table = deciding.table("--sample", "residual", "--seed", "3")
    with torch.no_grad():
        logits = load_backbone(deciding.folder / "backbone").run(to_unit_range(PIXELS)).numpy()
    assert np.allclose(table["logits"], logits, atol=1e-5)
    assert np.array_equal(table["decision"], logits.argmax(axis=1))
    assert np.array_equal(table["decision_edited"], table["logits_edited"].argmax(axis=1))
    assert not np.allclose(table["logits_edited"], logits, atol=1e-4)
    assert not np.allclose(table["residual_edited"], table["residual"])


def test_values_are_given_before_and_after(measuring: Place) -> None:
    table = measuring.table("--sample", "residual")
    values = load_backbone(measuring.folder / "backbone").run(to_unit_range(PIXELS)).numpy()
    assert values.shape == (11, 1)
    assert np.allclose(table["values"], values, atol=1e-5)
    assert not np.allclose(table["values_edited"], values, atol=1e-3)
    assert not {"decision", "logits", "decision_edited"} & set(table)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--swap", "shape=images/04.png"], "--swap: no factor 'shape', accepted are residual, digit, colour"),
        (["--swap", "digit=images/99.png"], "images/99.png: no image that can be read"),
        (["--set", "digit=9"], "--set digit: found '9', which no training row has; accepted are 0, 1, 2"),
        (["--set", "shape=1"], "--set: the map knows no values of 'shape', accepted are digit"),
        (["--set", "digit"], "--set: found 'digit', expected CONCEPT=VALUE"),
        (["--edit", "digit:2=1"], "--edit: found 'digit:2=1', expected digit:NUMBER=AMOUNT with a number of 0 to 1"),
        (["--edit", "digit"], "--edit: found 'digit', expected digit:NUMBER=AMOUNT with a number of 0 to 1"),
        (["--images", "nowhere"], "--images: nowhere is not there; a folder or one image is expected"),
        (["--images", "iin"], "--images: no images in iin; accepted are .png, .jpg"),
        (["--out", "images"], "--out: images holds '00.png', which would be lost; accepted is a new folder"),
        (["--spread"], "--spread: found without --set; accepted is --set CONCEPT=VALUE --spread"),
        (["--backbone", "other"], "--backbone: other: the map was trained on network "),
    ],
)
def test_what_is_wrong_is_one_line(drawing: Place, more: list[str], message: str) -> None:
    if not (drawing.folder / "other").exists():
        save_backbone(drawing.folder / "other", AutoencoderBackbone.made(Autoencoder(7, 8, seed=1)))
    command = drawing.command("--out", "wrong", *more)[2:]
    with contextlib.chdir(drawing.folder), patch("sys.argv", command), pytest.raises(InputError) as caught:
        main()
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert ("dvc get . models/backbone --rev NAME --out FOLDER" in str(caught.value)) == ("other" in more)
    assert not (drawing.folder / "wrong").exists()
    assert len(list((drawing.folder / "images").rglob("*.png"))) == len(PIXELS)


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("swap", "digit=images/04.png", "the digit of 04.png"),
        ("edit", "colour:1=-1.5", "-1.5 on number 1 of the colour"),
        ("sample", "residual", "the residual drawn anew from N(0, 1)"),
        ("set", "digit=2", "the digit set to 2"),
        ("edit", None, None),
    ],
)
def test_an_edit_in_words(drawing: Place, option: str, value: str | None, words: str | None) -> None:
    nothing = dict.fromkeys(("swap", "set", "edit", "sample"))
    arguments = argparse.Namespace(**{**nothing, "spread": False, "seed": 0, option: value})
    interpretation = Interpretation.join(load_iin(drawing.folder / "iin"), load_backbone(drawing.folder / "backbone"))
    with contextlib.chdir(drawing.folder):
        paths = sorted(Path("images").glob("*.png"))
        request = requested(arguments, interpretation, len(paths))
        applied = apply_to_images(interpretation, paths, None if request is None else request.edit)
    assert (None if request is None else request.words) == words
    assert torch.equal(applied.outputs_edited, applied.outputs_back) == (words is None)


@pytest.mark.parametrize("more", [["--swap", "shape=images/04.png"], ["--edit", "digit:2=1"], ["--sample", "shape"]])
def test_a_wrong_edit_is_refused_before_an_image_is_read(drawing: Place, more: list[str]) -> None:
    """No image is read, let alone sent through the network."""
    reading = patch("pipeline.apply.application.Decoder", side_effect=AssertionError("an image is read"))
    command = drawing.command(*more)[2:]
    with reading, contextlib.chdir(drawing.folder), patch("sys.argv", command), pytest.raises(InputError):
        main()


def test_the_command_as_a_person_types_it(drawing: Place) -> None:
    done = drawing.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1
    done = drawing.run("--swap", "shape=images/04.png")
    assert done.returncode == 1
    assert done.stderr == "error: --swap: no factor 'shape', accepted are residual, digit, colour\n"


def test_a_generator_is_refused_with_the_way_that_it_has(tmp_path: Path) -> None:
    place = make(tmp_path, made_halves(7), "latent", list(range(7)))
    with contextlib.chdir(place.folder), patch("sys.argv", place.command()[2:]):
        assert refusal_of(main) == f"--model: iin: {NO_ENCODER}"


def test_hidden_images_are_passed_over(drawing: Place) -> None:
    hidden = drawing.folder / "images/.ipynb_checkpoints"
    hidden.mkdir()
    Image.fromarray(PIXELS[0]).save(hidden / "00-checkpoint.png")
    assert len(drawing.table()["path"]) == 11


def test_grey_images_of_16_bits_are_read_in_the_range_of_those_of_the_training(drawing: Place) -> None:
    iin = load_iin(drawing.folder / "iin")
    values = PIXELS[0, ..., 0].astype(np.uint16) * 16
    Image.fromarray(values).save(drawing.folder / "grey.png")
    with pytest.raises(
        InputError, match=r"grey\.png: mode I;16, more than 8 bits, and no range of its values is known"
    ):
        read_images([drawing.folder / "grey.png"], iin)
    iin = replace(iin, card=iin.card | {"cut": iin.card["cut"] | {"image_range": [0.0, 65535.0]}})
    (pixels,) = read_images([drawing.folder / "grey.png"], iin)
    assert np.array_equal(pixels[..., 0], np.rint(values / 257))
