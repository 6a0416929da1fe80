import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline.errors import InputError
from pipeline.files import write_json
from pipeline.tables.images import load_images, to_unit_range
from pipeline.tables.latents import load_latents
from pipeline.tables.parquet import images_schema, latents_schema, read_table, write_table

BACKBONE = "ab" * 32
METADATA = {
    "backbone_sha256": BACKBONE,
    "layer": "latent",
    "image_shape": [8, 8],
    "concepts": ["digit", "colour"],
    "reduce": "mean",
    "shard": 0,
    "shards": 1,
}
MEAN = np.arange(12, dtype=np.float32).reshape(4, 3)


def _write_latents(folder: Path, metadata: dict[str, Any] | None = None, **columns: Any) -> None:
    rgb = [[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9], [0.0, 0.0, 0.0]]
    content = {
        "id": [3, 2, 1, 0],
        "original": [1, 1, 0, 0],
        "split": ["val"] * 4,
        "mean": MEAN[::-1].tolist(),
        "scale": (2 * MEAN[::-1]).tolist(),
        "digit": [1, 1, 0, 0],
        "colour": [3, 2, 1, 0],
        "colour_value": rgb,
        **columns,
    }
    schema = latents_schema(3, ["digit", "colour"], {"colour": 3})
    schema = pa.schema([field for field in schema if content[field.name] is not None])
    rows = {name: column for name, column in content.items() if column is not None}
    write_table(folder / "val-00000.parquet", pa.table(rows, schema=schema), METADATA | (metadata or {}))
    write_json(folder / "card.json", {"noise": "encoder"})


def _write_two_shards(folder: Path, other: dict[str, Any] | None = None, **columns: Any) -> None:
    _write_latents(folder, {"shards": 2}, **columns)
    shutil.move(folder / "val-00000.parquet", folder / "first")
    _write_latents(folder, {"shards": 2, "shard": 1, **(other or {})}, id=[7, 6, 5, 4], **columns)
    shutil.move(folder / "val-00000.parquet", folder / "val-00001.parquet")
    shutil.move(folder / "first", folder / "val-00000.parquet")


def test_what_is_wrong_in_all_shards_is_not_blamed_on_the_last(tmp_path: Path) -> None:
    _write_two_shards(tmp_path, digit=[4] * 4)
    with pytest.raises(InputError, match=r"val-\*\.parquet: concept 'digit' has one value \(4\)"):
        load_latents(tmp_path, "val")


def test_shards_of_two_backbones_are_refused_by_name(tmp_path: Path) -> None:
    _write_two_shards(tmp_path, {"backbone_sha256": "cd" * 32})
    with pytest.raises(InputError, match=r"val-00001\.parquet: latents of backbone cdcdcdcdcdcd"):
        load_latents(tmp_path, "val")


def test_latents_are_sorted_by_id_and_typed(tmp_path: Path) -> None:
    _write_latents(tmp_path)
    latents = load_latents(tmp_path, "val", BACKBONE)
    assert (len(latents), latents.num_dims, latents.layer, latents.backbone_sha256) == (4, 3, "latent", BACKBONE)
    assert np.array_equal(latents.id, [0, 1, 2, 3])
    assert np.array_equal(latents.original, [0, 0, 1, 1])
    assert np.array_equal(latents.mean, MEAN)
    assert np.array_equal(latents.scale, 2 * MEAN)
    assert latents.mean.dtype == latents.scale.dtype == np.float32
    assert list(latents.labels) == ["digit", "colour"]
    assert np.array_equal(latents.labels["colour"], [0, 1, 2, 3])
    assert np.allclose(latents.values["colour"][0], 0)
    torch.from_numpy(latents.mean)  # writable memory: torch has nothing to warn of
    assert latents.mean.flags.writeable


def test_a_continuous_concept_is_scored_by_its_value(tmp_path: Path) -> None:
    _write_latents(tmp_path)
    targets = load_latents(tmp_path, "val").targets()
    assert {name: target.shape for name, target in targets.items()} == {"digit": (4,), "colour": (4, 3)}


def test_draws_are_mean_and_scaled_noise(tmp_path: Path) -> None:
    _write_latents(tmp_path)
    latents = load_latents(tmp_path, "val")
    rows = np.array([2, 0, 2])
    noise = np.random.default_rng(5).standard_normal((3, 3), dtype=np.float32)
    drawn = latents.draw(np.random.default_rng(5), rows)
    assert np.array_equal(drawn, MEAN[rows] + 2 * MEAN[rows] * noise)
    assert drawn.dtype == np.float32
    everything = latents.draw(np.random.default_rng(5), np.arange(4))
    assert np.array_equal(latents.draw(np.random.default_rng(5)), everything)


def test_complete_rows_have_a_value_in_every_concept(tmp_path: Path) -> None:
    _write_latents(tmp_path, digit=[1, None, 0, 0], colour=[3, 2, None, 0], colour_value=None)
    latents = load_latents(tmp_path, "val")
    assert np.array_equal(latents.complete(), [0, 3])
    assert np.array_equal(replace(latents, labels={}).complete(), [0, 1, 2, 3])


def test_concepts_come_in_the_order_of_the_factors(tmp_path: Path) -> None:
    _write_latents(tmp_path, {"concepts": ["colour", "digit"]})
    assert list(load_latents(tmp_path, "val").labels) == ["colour", "digit"]


@pytest.mark.parametrize(
    ("columns", "metadata", "message"),
    [
        ({"mean": None}, {}, "no column 'mean'; its columns are id, original, split, scale, digit, colour"),
        ({"scale": None}, {}, "no column 'scale'; its columns are id, original, split, mean, digit, colour"),
        ({}, {"concepts": ["digit", "shape"]}, "no concept column 'shape'; its columns are id, original, split, mean"),
        ({"digit": [4] * 4}, {}, "concept 'digit' has one value (4); at least two are needed"),
        ({}, {"backbone_sha256": "cd" * 32}, "latents of backbone cdcdcdcdcdcd, but the one on disk is abababababab"),
    ],
)
def test_latents_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, columns: dict[str, Any], metadata: dict[str, Any], message: str
) -> None:
    _write_latents(tmp_path, metadata, **columns)
    with pytest.raises(InputError) as caught:
        load_latents(tmp_path, "val", BACKBONE)
    assert str(caught.value).startswith(f"{tmp_path / 'val-00000.parquet'}: {message}")
    assert "\n" not in str(caught.value)


def test_shards_are_read_in_their_order(tmp_path: Path) -> None:
    _write_latents(tmp_path, {"shards": 2})
    (tmp_path / "val-00000.parquet").rename(tmp_path / "val-00001.parquet")
    _write_latents(tmp_path, {"shards": 2}, id=[-1, -2, -3, -4])
    latents = load_latents(tmp_path, "val", BACKBONE)
    assert latents.id.tolist() == [-4, -3, -2, -1, 0, 1, 2, 3]
    assert latents.mean.shape == (8, 3)


@pytest.mark.parametrize(("removed", "kept"), [(0, 1), (1, 0)])
def test_a_missing_shard_is_named(tmp_path: Path, removed: int, kept: int) -> None:
    _write_latents(tmp_path, {"shards": 2})
    (tmp_path / "val-00000.parquet").rename(tmp_path / f"val-{kept:05d}.parquet")
    with pytest.raises(InputError) as caught:
        load_latents(tmp_path, "val")
    assert str(caught.value) == f"{tmp_path}/val-{removed:05d}.parquet: not there; run `dvc repro`"


def test_a_shard_too_many_is_named(tmp_path: Path) -> None:
    _write_latents(tmp_path)
    shutil.copy(tmp_path / "val-00000.parquet", tmp_path / "val-00001.parquet")
    with pytest.raises(InputError) as caught:
        load_latents(tmp_path, "val")
    assert str(caught.value) == f"{tmp_path}/val-00001.parquet: one shard too many; run `dvc repro`"


def test_without_a_backbone_to_compare_latents_of_any_are_read(tmp_path: Path) -> None:
    _write_latents(tmp_path, {"backbone_sha256": "cd" * 32})
    assert load_latents(tmp_path, "val").backbone_sha256 == "cd" * 32


def test_images_are_decoded_and_sorted_by_id(small_images: Path) -> None:
    images = load_images(small_images, "train")
    assert len(images) == 280
    assert (images.pixels.shape, images.pixels.dtype) == ((280, 32, 32, 3), np.uint8)
    assert (np.diff(images.id) > 0).all()
    assert images.num_categories == {"digit": 10, "colour": 8}
    assert list(images.labels) == ["digit", "colour"]
    assert list(images.values) == ["colour"]
    # PNG keeps every pixel: the corner is the ground of the row's own colour
    ground = 255 * (1 - images.values["colour"]) / 2
    assert np.abs(images.pixels[:, 0, 0] - ground).max() <= 0.5 + 1e-4


def test_to_unit_range() -> None:
    pixels = np.array([0, 255, 51], np.uint8).reshape(1, 1, 1, 3)
    unit = to_unit_range(pixels)
    assert (unit.shape, unit.dtype) == ((1, 3, 1, 1), torch.float32)
    assert unit.flatten().tolist() == pytest.approx([-1, 1, -0.6])
    assert torch.equal(to_unit_range(torch.from_numpy(pixels)), unit)
    assert pixels.flatten().tolist() == [0, 255, 51]


def test_an_images_table_without_images_is_refused(tmp_path: Path) -> None:
    _write_latents(tmp_path)
    (tmp_path / "val-00000.parquet").rename(tmp_path / "val.parquet")
    with pytest.raises(InputError, match=r"val\.parquet: no column 'image'; its columns are id, original, split, mean"):
        load_images(tmp_path, "val")


def test_a_missing_split_is_named(tmp_path: Path) -> None:
    for load, name in ((load_images, "val"), (load_latents, "val-00000")):
        with pytest.raises(InputError, match=rf"{name}\.parquet: not there; run `dvc repro`"):
            load(tmp_path, "val")


@pytest.mark.parametrize("content", [b"no image", b"", None])
def test_an_image_that_cannot_be_decoded_is_named(small_images: Path, tmp_path: Path, content: bytes | None) -> None:
    table, metadata = read_table(small_images / "val.parquet")
    images = table["image"].to_pylist()
    images[7]["bytes"] = content
    schema = images_schema(["digit", "colour"], {"colour": 3})
    table = table.set_column(3, "image", pa.array(images, schema.field("image").type))
    metadata = {key: metadata[key] for key in ("source", "categories", "values", "concepts")}
    write_table(tmp_path / "val.parquet", table, metadata)
    with pytest.raises(InputError, match=r"val\.parquet: row 7: no image that can be decoded") as caught:
        load_images(tmp_path, "val")
    assert "\n" not in str(caught.value)
