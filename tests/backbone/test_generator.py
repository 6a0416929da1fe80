import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from refusals import refusal_of

from backbone.generators import name_raising
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.generator import open_generator
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.backbone.reduction import MEAN
from pipeline.cluster import Resources
from pipeline.errors import InputError
from pipeline.extract.encoder import Encoder, LatentsSetup
from pipeline.extract.extraction import latents_card
from pipeline.files import write_json
from pipeline.judge.network import JudgeNet, save_judge, save_no_judge
from pipeline.params import BackboneParams, DataParams, LatentsParams, Params
from pipeline.prepare.images import prepare
from pipeline.prepare.sources.generator import generated_source, open_labeller
from pipeline.tables.images import Images, load_images, to_unit_range
from pipeline.tables.latents import load_latents
from pipeline.tables.parquet import SPLITS

HERE = "backbone.generators"
PIXELS = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)


def params(network: str = "Halves", **data: object) -> Params:
    section = {
        "source": "generator",
        "labeller": f"{HERE}:name_halves",
        "max_images": 300,
        "copies": 1,
        "concepts": ["left", "right"],
        "graded": {"right": 0.1},
        **data,
    }
    return Params.model_validate(
        {"data": section, "backbone": {"kind": "generator", "network": f"{HERE}:{network}", "num_dims": 6}}
    )


def prepared(folder: Path, study: Params) -> Path:
    assert prepare(study.data, study.seed, folder / "images", source=generated_source(study)) == {
        "train": 210,
        "val": 30,
        "test": 60,
    }
    return folder / "images"


def test_images_are_draws_from_the_prior_and_named_by_the_labeller(tmp_path: Path) -> None:
    test = load_images(prepared(tmp_path, params()), "test")
    decoder = open_generator(params().backbone, 0, "cpu")
    z = decoder.prior(test.original).numpy()
    assert np.abs(test.pixels[:, 0, 0, 0] - (np.clip(z[:, 0] / 2, -1, 1) + 1) * 127.5).max() <= 0.51
    assert np.array_equal(test.pixels[..., 0], test.pixels[..., 2])
    assert np.array_equal(test.labels["left"], (z[:, 0] > 0).astype(np.int64))
    known = ~np.isnan(test.values["right"][:, 0])
    assert np.array_equal(known, test.pixels[:, 0, 15, 0] > 0)
    assert 0 < (~known).sum() < 10
    assert np.abs(test.values["right"][known, 0] - test.pixels[known, 0, 15, 0] / 255).max() < 1e-6


def test_the_same_draws_give_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again = prepared(tmp_path / "a", params()), prepared(tmp_path / "b", params())
    other = prepared(tmp_path / "c", params().model_copy(update={"seed": 1}))
    for split in SPLITS:
        content = (first / f"{split}.parquet").read_bytes()
        assert content == (again / f"{split}.parquet").read_bytes()
        assert content != (other / f"{split}.parquet").read_bytes()


def test_the_prior_is_standard_normal_and_a_function_of_the_number_alone() -> None:
    decoder = open_generator(params().backbone, 0, "cpu")
    z = decoder.prior(np.arange(4000))
    assert torch.equal(decoder.prior(np.array([17, 3000])), z[[17, 3000]])
    assert z.mean(dim=0).abs().max() < 4 / np.sqrt(4000)
    assert (torch.cov(z.T) - torch.eye(6)).abs().max() < 0.1


def test_latents_are_the_draws_themselves_without_noise(tmp_path: Path) -> None:
    images = prepared(tmp_path, params())
    test = load_images(images, "test")
    save_backbone(tmp_path / "backbone", make_backbone(params().backbone, test, 0))
    setup = LatentsSetup(images, tmp_path / "backbone", "latent", LatentsParams(batch_size=8))
    encoder = Encoder(setup, MEAN, Resources(1, 0, "cpu"))
    folder = tmp_path / "latents"
    folder.mkdir()
    for name in SPLITS:
        rows = len(load_images(images, name))
        work = {"split": name, "path": str(images / f"{name}.parquet"), "group": 0, "groups": 1, "rows": rows}
        (answer,) = encoder(pa.table({"work": [work | {"shard": str(folder / f"{name}-00000.parquet")}]})).to_pylist()
        assert answer == {"rows": rows, "error": None}
    write_json(folder / "card.json", latents_card([folder / "train-00000.parquet"], 0.05))
    latents, backbone = load_latents(folder, "test"), load_backbone(tmp_path / "backbone")
    cut = backbone.cut("latent")
    z, scale = cut.stored_latents(test.pixels, test.original)
    assert np.array_equal(latents.mean, z.numpy())
    assert (scale, cut.noise) == (None, "none")
    assert np.array_equal(latents.mean, open_generator(params().backbone, 0, "cpu").prior(test.original).numpy())
    assert not latents.scale.any()
    assert latents.graded == {"right": 0.1}
    drawn = cut.rest(to_unit_range(test.pixels))(torch.from_numpy(latents.mean))
    assert (drawn - to_unit_range(test.pixels)).abs().max() <= 0.51 / 127.5
    assert backbone.draws_images
    assert backbone.draws_own_images
    for refused in (cut.encode, backbone.run):
        with pytest.raises(InputError, match="a generator has no encoder, so that an image has no latent"):
            refused(to_unit_range(test.pixels))


def test_a_network_that_can_not_be_used_is_one_line() -> None:
    for network, num_dims, message in (
        ("too_bright", 6, f"backbone: '{HERE}:too_bright' gives values of 0.*, expected are −1 to 1"),
        ("name_nothing", 6, "backbone.arguments: .* does not take"),
        ("Halvs", 6, "no callable 'Halvs' in backbone.generators; nearest are Halves"),
    ):
        section = BackboneParams(kind="generator", network=f"{HERE}:{network}", num_dims=num_dims)
        with pytest.raises(InputError, match=message):
            open_generator(section, 0, "cpu")
    section = BackboneParams(
        kind="generator", network="torch.nn:Linear", num_dims=3, arguments={"in_features": 4, "out_features": 2}
    )
    with pytest.raises(InputError, match=r"does not take latents \(2, 3\) .*; see backbone.num_dims"):
        open_generator(section, 0, "cpu")
    with pytest.raises(InputError, match=r"gives \(2, 2\), images \(2, 1 or 3, H, W\) are expected"):
        open_generator(section.model_copy(update={"num_dims": 4}), 0, "cpu")


def test_a_generator_of_another_range_and_head_draws_the_same_images(tmp_path: Path) -> None:
    images = prepared(tmp_path, params())
    test = load_images(images, "test")
    section = params("Unit").backbone
    with pytest.raises(
        InputError, match=r"output_key: it is empty, .* accepted are noise \(2, 6\), sample \(2, 1, 16, 16"
    ):
        open_generator(section, 0, "cpu")
    section = section.model_copy(update={"output_key": "sample"})
    with pytest.raises(InputError, match="the generator does not draw the images of data/images"):
        make_backbone(section, test, 0)
    save_backbone(
        tmp_path / "backbone", make_backbone(section.model_copy(update={"output_range": (0.0, 1.0)}), test, 0)
    )
    cut = load_backbone(tmp_path / "backbone").cut("latent")
    drawn = cut.rest(to_unit_range(test.pixels))(cut.stored_latents(test.pixels, test.original)[0])
    assert (drawn - to_unit_range(test.pixels)).abs().max() <= 0.51 / 127.5


def test_a_generator_that_never_draws_dark_is_said(tmp_path: Path) -> None:
    study = params("Unit", concepts=["right"])
    study = study.model_copy(update={"backbone": study.backbone.model_copy(update={"output_key": "sample"})})
    images = load_images(prepared(tmp_path, study), "test")
    assert make_backbone(study.backbone, images, 0).gives.endswith("darker than mid-grey: see backbone.output_range")


def test_a_generator_that_differs_each_time_is_refused(tmp_path: Path) -> None:
    study = params("unseeded")
    test = load_images(prepared(tmp_path, study), "test")
    with pytest.raises(InputError, match="the generator does not draw the images of data/images"):
        make_backbone(study.backbone, test, 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("name_nothing", "data.labeller: backbone.generators:name_nothing returned a int, expected a mapping"),
        (
            "name_too_few",
            "data.labeller: column 'left' of backbone.generators:name_too_few has 63 entries for 64 images",
        ),
        (
            "name_raising",
            "data.labeller: backbone.generators:name_raising raised ValueError: all input arrays must have the same "
            rf"shape \(tests/backbone/generators.py:{name_raising.__code__.co_firstlineno + 1}\)$",
        ),
        ("name_halfs", "data.labeller: no callable 'name_halfs' in backbone.generators; nearest are name_halves"),
    ],
)
def test_a_labeller_that_names_nothing_is_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        generated_source(params(labeller=f"{HERE}:{name}"))


def test_classes_keep_the_names_that_the_labeller_knows(tmp_path: Path) -> None:
    """Those too that it sees in no image, in their order."""
    names = {"digit": ["no", "yes", "ten"]}
    images = Images(np.arange(2), np.arange(2), PIXELS, {"digit": np.arange(2)}, {}, {"digit": 3}, names)
    network = JudgeNet({"digit": 3}, 8, 0)
    with torch.no_grad():
        network.heads["digit"].bias.copy_(torch.tensor([0, 0, -100.0]))
        network.heads["digit"].weight[:2] = torch.randn(2, 128, generator=torch.Generator().manual_seed(0))
    save_judge(tmp_path / "judge", network, 8, images, metrics="")
    study = params(labeller=str(tmp_path / "judge"), concepts=["digit"], graded={})
    test = load_images(prepared(tmp_path, study), "test")
    assert (test.class_names, test.num_categories) == (names, {"digit": 3})


def test_a_concept_that_is_not_named_and_a_labeller_that_is_nowhere_are_one_line() -> None:
    with pytest.raises(InputError, match=r"no concept 'shape' in labeller .*; its columns are left, right, third"):
        generated_source(params(concepts=["left", "shape"], graded={}))
    with pytest.raises(InputError, match=r"data.labeller: found 'nowhere', which is no folder"):
        generated_source(params(labeller="nowhere"))


def test_a_trained_judge_or_classifier_names_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = Images(
        id=np.arange(2),
        original=np.arange(2),
        pixels=PIXELS,
        labels={"digit": np.arange(2), "colour": np.arange(2), "size": np.arange(2)},
        values={"colour": rng.random((2, 3), np.float32), "size": rng.random((2, 1), np.float32)},
        num_categories={"digit": 4, "colour": 2, "size": 2},
        class_names={"digit": ["zero", "one", "two", "three"], "shade": ["light", "dark"]},
    )
    save_judge(tmp_path / "judge", JudgeNet({"digit": 4, "colour": 3, "size": 1}, 8, 0), 8, images, metrics="")
    labeller = open_labeller(str(tmp_path / "judge"), "cpu")
    assert labeller.class_names == {"digit": ["zero", "one", "two", "three"]}
    table = labeller(PIXELS)
    assert table.column_names == ["digit", "colour_0", "colour_1", "colour_2", "size"]
    assert table["digit"].type == pa.int64()
    section = BackboneParams(
        kind="torch", network="pipeline.backbone.classifier:Classifier", concept="digit",
        arguments={"num_classes": 4, "width": 8, "seed": 0},
    )  # fmt: skip
    save_backbone(tmp_path / "classifier", make_backbone(section, images, 0))
    expected = load_backbone(tmp_path / "classifier").run(to_unit_range(PIXELS)).argmax(dim=1).tolist()
    labeller = open_labeller(str(tmp_path / "classifier"), "cpu")
    assert labeller(PIXELS).to_pydict() == {"digit": expected}
    assert labeller.class_names == {"digit": ["zero", "one", "two", "three"]}
    save_backbone(tmp_path / "other", make_backbone(section.model_copy(update={"concept": None}), images, 0))
    with pytest.raises(InputError, match="holds a network of kind 'torch' that names no concept"):
        open_labeller(str(tmp_path / "other"), "cpu")
    assert refusal_of(open_labeller, str(tmp_path), "cpu") == (
        f"data.labeller: {tmp_path} holds no card.json, expected the folder of a judge or a classifier; found "
        f"{tmp_path}/classifier and {tmp_path}/judge and {tmp_path}/other"
    )
    (tmp_path / "judge/weights.safetensors").unlink()
    assert refusal_of(open_labeller, str(tmp_path / "judge"), "cpu").startswith(f"data.labeller: {tmp_path}/judge/we")
    save_no_judge(tmp_path / "none")
    with pytest.raises(InputError, match=r"data.labeller: .*none holds no judge, as its study needed none"):
        open_labeller(str(tmp_path / "none"), "cpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labeller": None}, "data.labeller: source 'generator' needs what names its images"),
        ({"max_images": None}, "data.max_images: source 'generator' needs the number of images to draw"),
        ({"copies": 2}, "data.copies: found 2, accepted is 1: source 'generator'"),
        ({"source": "mnist"}, "data.labeller: found 'a:b', but data.source is 'mnist'; it is read by generator"),
    ],
)
def test_what_the_source_needs(change: dict[str, object], message: str) -> None:
    section = {"source": "generator", "labeller": "a:b", "max_images": 100, "copies": 1, **change}
    with pytest.raises(ValueError, match=message):
        DataParams.model_validate(section)


def test_a_generator_and_no_other_network_has_images_of_its_own() -> None:
    for change in ({"data": params().data.model_dump()}, {"backbone": {"kind": "generator", "network": "a:b"}}):
        with pytest.raises(ValueError, match="accepted are both 'generator' or neither"):
            Params.model_validate(change)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import json\n\ndef names(pixels):\n    return json.loads('?')\n",
         "own:names raised JSONDecodeError: Expecting value: line 1 column 1 (char 0) (own.py:4)"),
        ("def names(pixels):\n    raise KeyError\n", "own:names raised KeyError (own.py:2)"),
        ("\nx = 1 / 0\n", "module 'own' raised ZeroDivisionError: division by zero (own.py:2) when it was imported"),
        ("x =\n", "module 'own' raised SyntaxError: invalid syntax (own.py, line 1) when it was imported"),
    ],
)  # fmt: skip
def test_what_own_code_raises_is_one_line_with_the_place_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    """Not the place in a library that it got to, which says nothing to a person."""
    (tmp_path / "own.py").write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own", raising=False)
    assert refusal_of(lambda: open_labeller("own:names", "cpu")(PIXELS)) == f"data.labeller: {message}"
