"""The front door: a map and its network, opened from disk, against E, T and G called one by one."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from backbone.generators import made_halves
from extents import ball
from imports import ROOT
from refusals import refusal_of
from torch import Tensor

import pipeline
from pipeline import Interpretation, move, sample, swap
from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import Made, save_backbone
from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.generator import NO_ENCODER
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.files import sha256_file
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import save_iin
from pipeline.params import BackboneParams
from pipeline.tables.axes import Axes, write_axes
from pipeline.tables.images import Images, to_unit_range

LAYOUT = Layout.of(["digit", "colour"], [3, 2, 2])
IMAGES = np.random.default_rng(0).integers(0, 256, (600, 32, 32, 3), dtype=np.uint8)  # more than a batch


def make(
    models: Path,
    made: Made,
    layer: str,
    kept: list[int],
    also: dict[str, str] | None = None,
    axes: Path | None = None,
) -> Path:
    save_backbone(models / "backbone", made)
    flow = Flow(FlowConfig(7, num_blocks=2, width=8, depth=1, seed=3))
    flow.initialise(torch.randn(64, 7, generator=torch.Generator().manual_seed(0)))
    cut = {"reduce": "mean", "kept": kept, "image_shape": [32, 32]} | (also or {})
    card = {"backbone_sha256": load_backbone(models / "backbone").sha256, "layer": layer, "cut": cut}
    save_iin(models / "layers" / layer / "iin", flow, LAYOUT, card, ball(7), metrics="", axes=axes)
    return models


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = AutoencoderBackbone.made(Autoencoder(7, 8, seed=0))
    return make(tmp_path_factory.mktemp("drawing") / "models", made, "latent", list(range(7)))


@pytest.fixture(scope="module")
def deciding(tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = tmp_path_factory.mktemp("deciding") / "models"
    return make(models, ClassifierBackbone.made(Classifier(10, 8, seed=0), None), "stage1", [0, 1, 2, 4, 5, 6, 7])


@pytest.fixture(scope="module")
def generating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("generating") / "models", made_halves(7), "latent", list(range(7)))


def close(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and torch.allclose(found, expected, atol=1e-5)


def test_five_lines_on_a_network_that_draws(drawing: Path) -> None:
    iin = Interpretation.open(drawing, layer="latent")
    codes = iin.codes(IMAGES)
    edited = iin.edit(codes, swap("digit", codes.flip(0)))
    pictures = iin.outputs(edited, IMAGES)

    network = load_backbone(drawing / "backbone").network
    z = network.encode(to_unit_range(IMAGES))[0]
    with torch.no_grad():
        assert close(codes, iin.iin.flow(z)[0])
        expected = iin.iin.flow(z)[0]
        expected[:, 3:5] = expected[:, 3:5].flip(0)
        assert close(pictures, network.decode(iin.iin.flow.inverse(expected)))
    assert not pictures.requires_grad
    assert (pictures - iin.outputs(codes, IMAGES)).abs().max() > 1e-3


def test_a_network_that_decides_with_a_dimension_that_is_carried_along(deciding: Path) -> None:
    iin = Interpretation.open(deciding, layer="stage1")
    backbone = load_backbone(deciding / "backbone")
    latents = iin.latents(IMAGES)
    assert latents.shape == (600, 7)
    logits = backbone.run(to_unit_range(IMAGES))
    assert torch.allclose(iin.outputs_of_latents(latents, IMAGES), logits, atol=1e-4)
    assert torch.allclose(iin.outputs(iin.codes(IMAGES), IMAGES), logits, atol=1e-4)
    edited = iin.edit(iin.codes(IMAGES), sample("residual", seed=1))
    assert not torch.allclose(iin.outputs(edited, IMAGES), logits, atol=1e-2)


def test_the_lines_of_the_readme_on_a_generator(generating: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws, codes, edits one factor and decodes, and no image goes in."""
    section = (ROOT / "README.md").read_text().split("## In Python\n")[1].split("\n## ")[0]
    lines = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[1].replace("smiling", "digit")
    monkeypatch.chdir(generating.parent)
    names: dict[str, Any] = {}
    exec(lines, names)
    iin, codes, edited = (names[name] for name in ("iin", "codes", "edited"))
    assert [name for name in LAYOUT.names if (edited != codes)[:, LAYOUT.slice(name)].any()] == ["digit"]
    for drawn, code in ((names["before"], codes), (names["after"], edited)):
        levels = (iin.iin.inverse(code)[:, :2] / 2).clamp(-1, 1)  # of the halves, as the toy draws them
        assert close(drawn, levels[:, None, None].repeat_interleave(8, dim=3).expand(-1, 3, 16, 16))
    assert not close(names["before"], names["after"])
    assert refusal_of(iin.codes, IMAGES) == NO_ENCODER


def test_a_decoder_needs_no_images_and_another_network_says_that_it_does(drawing: Path, deciding: Path) -> None:
    iin = Interpretation.open(drawing, layer="latent")
    codes = iin.codes(IMAGES)
    assert torch.equal(iin.outputs(codes), iin.outputs(codes, IMAGES))
    iin = Interpretation.open(deciding, layer="stage1")
    with pytest.raises(ValueError, match="images: found none, expected one a code: what passes layer 'stage1' by is"):
        iin.outputs(iin.codes(IMAGES[:2]))


def test_a_map_along_principal_directions(tmp_path: Path) -> None:
    made = ClassifierBackbone.made(Classifier(10, 8, seed=0), None)
    directions = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 7)))[0]
    write_axes(tmp_path / "axes", Axes(np.full(16, 0.1), directions))
    also = {"reduce": "pca 7", "channels": "first", "axes_sha256": sha256_file(tmp_path / "axes")}
    models = make(tmp_path / "models", made, "stage2", list(range(7)), also, tmp_path / "axes")
    iin, images = Interpretation.open(models, layer="stage2"), to_unit_range(IMAGES)
    with torch.no_grad():
        means = made.network.stage2(made.network.stage1(images)).mean(dim=(2, 3))
    assert close(iin.latents(IMAGES), ((means - 0.1).double() @ torch.from_numpy(directions)).float())
    logits = iin.backbone.run(images)
    assert torch.allclose(iin.outputs_of_latents(iin.latents(IMAGES), IMAGES), logits, atol=1e-5)
    assert torch.allclose(iin.outputs(iin.codes(IMAGES), IMAGES), logits, atol=1e-4)
    edited = iin.edit(iin.codes(IMAGES), sample("digit", seed=1))
    assert not torch.allclose(iin.outputs(edited, IMAGES), logits, atol=1e-3)


def test_recipients_are_chosen_by_number_and_held_for_many_edits(deciding: Path) -> None:
    """What passes the layer by is the recipient's: another recipient gives another decision."""
    iin = Interpretation.open(deciding, layer="stage1")
    codes, rows = iin.codes(IMAGES[:4]), np.array([2, 2, 0, 3])
    chosen = iin.outputs(codes[[2, 2, 0, 3]], IMAGES, rows)
    assert close(chosen, iin.outputs(codes, IMAGES[:4])[[2, 2, 0, 3]])
    assert not close(iin.outputs(codes, IMAGES, rows), iin.outputs(codes, IMAGES[:4]))
    outputs = iin.outputs_for(IMAGES[:4])
    for amount in (0.0, 1.0, 2.0):
        edited = iin.edit(codes, move("colour", [1.0, 0.0], amount))
        assert torch.equal(outputs(iin.inverse(edited)), iin.outputs(edited, IMAGES[:4]))


def test_a_map_of_another_network_is_refused(tmp_path: Path) -> None:
    models = make(tmp_path / "models", AutoencoderBackbone.made(Autoencoder(7, 8, seed=0)), "latent", list(range(7)))
    old = load_backbone(models / "backbone").sha256
    save_backbone(models / "backbone", AutoencoderBackbone.made(Autoencoder(7, 8, seed=1)))
    new = load_backbone(models / "backbone").sha256
    with pytest.raises(InputError) as caught:
        Interpretation.open(models, layer="latent")
    line = f"the map was trained on network {old[:12]}, found network {new[:12]}"
    assert str(caught.value) == f"{models}/layers/latent/iin: {line}"


def test_a_layer_that_has_no_map_is_named(drawing: Path) -> None:
    with pytest.raises(InputError, match=r"layers/stage1/iin/card\.json: not there"):
        Interpretation.open(drawing, layer="stage1")


def test_a_card_without_its_cut_is_named(tmp_path: Path) -> None:
    models = make(tmp_path / "models", AutoencoderBackbone.made(Autoencoder(7, 8, seed=0)), "latent", list(range(7)))
    path = models / "layers/latent/iin/card.json"
    card = json.loads(path.read_text())
    del card["cut"]
    path.write_text(json.dumps(card))
    with pytest.raises(InputError, match=r"layers/latent/iin: card of the map \w{12}: no key 'cut'"):
        Interpretation.open(models, layer="latent")


@pytest.mark.parametrize("images", [IMAGES[:, :8], IMAGES[..., :1], IMAGES.astype(np.float32), IMAGES[0]])
def test_images_of_another_form_are_refused(drawing: Path, images: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"images: found \w+ of shape \[[\d, ]+\], expected uint8 \[n, 32, 32, 3\]"):
        Interpretation.open(drawing, layer="latent").codes(images)


def test_an_edit_of_an_unknown_factor_is_refused(drawing: Path) -> None:
    iin = Interpretation.open(drawing, layer="latent")
    with pytest.raises(ValueError, match="no factor is named 'shape'; the factors are residual, digit, colour"):
        iin.edit(iin.codes(IMAGES[:2]), sample("shape", seed=0))


def test_importing_the_package_alone_stays_light() -> None:
    program = "import sys, pipeline; assert 'torch' not in sys.modules; pipeline.swap; assert 'torch' in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
    for name in pipeline.__all__:
        assert getattr(pipeline, name).__name__ == name
    with pytest.raises(AttributeError, match="module 'pipeline' has no attribute 'anything'"):
        _ = pipeline.anything


@pytest.mark.parametrize(
    ("form", "section", "width"),
    [
        ("vector", {}, 2),
        ("dict", {"output_key": "logits"}, 2),
        ("tuple", {"output": "values", "output_key": "1.1"}, 1),
        ("sigmoid", {"output": "probabilities"}, 2),
    ],
)
def test_five_lines_on_a_network_of_another_head(
    tmp_path: Path, form: str, section: dict[str, str], width: int
) -> None:
    params = {"kind": "torch", "network": "backbone.heads:Headed", "arguments": {"form": form, "classes": 1}}
    images = Images(np.arange(2), np.arange(2), IMAGES[:2], {}, {}, {})
    made = make_backbone(BackboneParams.model_validate({**params, **section}), images, 0)
    models = make(tmp_path / "models", made, "trunk", [0, 1, 2, 4, 5, 6, 7])
    iin = Interpretation.open(models, layer="trunk")
    codes = iin.codes(IMAGES[:501])  # one more than a batch
    edited = iin.edit(codes, swap("digit", codes.flip(0)))
    outputs = iin.outputs(edited, IMAGES[:501])
    assert outputs.shape == (501, width)
    assert torch.allclose(iin.outputs(codes, IMAGES[:501]), load_backbone(models / "backbone").run(
        to_unit_range(IMAGES[:501])), atol=1e-4)  # fmt: skip
    assert not torch.allclose(iin.outputs(codes, IMAGES[:501]), outputs, atol=1e-3)
