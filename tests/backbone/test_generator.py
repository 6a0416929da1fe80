from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from refusals import refusal_of

from backbone.generators import HERE, Convolved, params, prepared
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.generator import open_generator
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.backbone.reduction import MEAN
from pipeline.errors import InputError
from pipeline.extract.encoder import Encoder, LatentsSetup
from pipeline.extract.extraction import latents_card
from pipeline.files import write_json
from pipeline.inputs.checked import DRAWN_BY
from pipeline.machine import Resources
from pipeline.params import BackboneParams, DataParams, LatentsParams, Params
from pipeline.prepare.sources.generator import generated_source
from pipeline.tables.images import load_images, to_unit_range
from pipeline.tables.latents import load_latents
from pipeline.tables.parquet import SPLITS


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


def test_its_images_follow_from_no_other_key_than_those_that_check_writes_down() -> None:
    read: set[str] = set()

    class Watched(BackboneParams):
        def __getattribute__(self, name: str) -> Any:
            read.add(name)
            return super().__getattribute__(name)

    study = params()
    section = Watched.model_validate(study.backbone.model_dump())
    read.clear()
    assert generated_source(study.model_copy(update={"backbone": section})).categories["left"] == 2
    assert DRAWN_BY | {"network", "weights"} <= read
    # of a kind whose source is its own and no other's, and which gives images alone
    assert read & set(BackboneParams.model_fields) == DRAWN_BY | {"network", "weights", "kind"}


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


@pytest.mark.parametrize("how", ["called", "lazy", "exported"])
def test_a_generator_that_begins_with_a_convolution_gets_a_map_of_one_position(tmp_path: Path, how: str) -> None:
    network, arguments = f"{HERE}:Convolved", {"lazy": True} if how == "lazy" else {}
    if how == "exported":
        network = str(tmp_path / "g.pt2")
        shapes = ({0: torch.export.Dim("batch")},)
        program = torch.export.export(Convolved().eval(), (torch.zeros(2, 6, 1, 1),), dynamic_shapes=shapes)
        torch.export.save(program, network)
    study = params()
    section = study.backbone.model_copy(update={"network": network, "arguments": arguments})
    study = study.model_copy(update={"backbone": section})
    test = load_images(prepared(tmp_path, study), "test")
    made = make_backbone(study.backbone, test, 0)
    assert made.gives == "images of its own of z as [B, 6, 1, 1]"
    save_backbone(tmp_path / "backbone", made)
    cut = load_backbone(tmp_path / "backbone").cut("latent")
    z, _ = cut.stored_latents(test.pixels, test.original)
    assert (z.shape, cut.width(to_unit_range(test.pixels))) == ((60, 6), 6)
    with torch.no_grad():
        expected = made.network(z[:, :, None, None]).expand(-1, 3, -1, -1)
    assert torch.equal(cut.rest(to_unit_range(test.pixels))(z), expected)
    assert (expected - to_unit_range(test.pixels)).abs().max() <= 0.51 / 127.5


def test_a_generator_of_another_number_of_dimensions_is_one_line_with_both_shapes() -> None:
    section = BackboneParams(kind="generator", network=f"{HERE}:Convolved", num_dims=5)
    line = refusal_of(open_generator, section, 0, "cpu")
    for taken in ("does not take latents (2, 5) (", "does not take latents (2, 5, 1, 1) (", "to have 6 channels"):
        assert taken in line
    assert line.endswith("; see backbone.num_dims")


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
