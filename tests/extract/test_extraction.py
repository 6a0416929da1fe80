"""Extraction through Ray Data, on a real local Ray."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.classifier import Classifier, ClassifierBackbone
from pipeline.backbone.kinds import load_backbone
from pipeline.backbone.reduction import Reduction
from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.extract.encoder import LatentsSetup
from pipeline.extract.extraction import extract
from pipeline.files import sha256_file
from pipeline.machine import Resources
from pipeline.params import LatentsParams, MachineParams
from pipeline.tables.axes import AXES, read_axes
from pipeline.tables.images import load_images, to_unit_range
from pipeline.tables.latents import load_latents, shard_name
from pipeline.tables.parquet import SPLITS, read_table

MACHINE = MachineParams(device="cpu")


@dataclass
class Extraction:
    images: Path
    backbone: Path
    folder: Path
    worker: Resources

    def run(self, folder: Path, batch_size: int = 64) -> dict[str, int]:
        setup = LatentsSetup(self.images, self.backbone, "latent", LatentsParams(batch_size=batch_size))
        return extract(setup, folder, self.runs, MACHINE, self.worker)

    @property
    def runs(self) -> Path:
        """Where finished shards wait for the others."""
        return self.folder.with_name("runs")


@pytest.fixture(scope="module")
def extraction(small_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Extraction]:
    folder = tmp_path_factory.mktemp("extraction")
    save_backbone(folder / "backbone", AutoencoderBackbone.made(Autoencoder(5, 8, seed=0)))
    with start_ray(MACHINE) as worker:
        extraction = Extraction(small_images, folder / "backbone", folder / "latents", worker)
        assert extraction.run(extraction.folder) == {"train": 280, "val": 20, "test": 40}
        yield extraction


@pytest.mark.parametrize("split", SPLITS)
def test_rows_are_the_encoders_of_the_same_image(extraction: Extraction, split: str) -> None:
    images, backbone = load_images(extraction.images, split), load_backbone(extraction.backbone)
    latents = load_latents(extraction.folder, split, backbone.sha256)
    mean, scale = backbone.cut("latent").encode(to_unit_range(images.pixels))
    torch.testing.assert_close(torch.from_numpy(latents.mean), mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(torch.from_numpy(latents.scale), scale, rtol=1e-6, atol=1e-6)
    assert np.array_equal(latents.id, images.id)
    assert np.array_equal(latents.original, images.original)
    for name in ("digit", "colour"):
        assert np.array_equal(latents.labels[name], images.labels[name])
    assert np.array_equal(latents.values["colour"], images.values["colour"])


def test_the_metadata_say_where_the_latents_come_from(extraction: Extraction) -> None:
    _, metadata = read_table(extraction.folder / "val-00000.parquet")
    assert metadata["backbone_sha256"] == load_backbone(extraction.backbone).sha256
    assert (metadata["layer"], metadata["shape"], metadata["noise"]) == ("latent", [5], "encoder")
    assert metadata["concepts"] == ["digit", "colour"]


def test_running_twice_gives_the_same_bytes(extraction: Extraction, tmp_path: Path) -> None:
    extraction.run(tmp_path / "again")
    names = sorted(["card.json", *(shard_name(split, 0) for split in SPLITS)])
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == names
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (extraction.folder / name).read_bytes()


def test_latents_of_another_backbone_are_refused(extraction: Extraction, tmp_path: Path) -> None:
    save_backbone(tmp_path / "other", AutoencoderBackbone.made(Autoencoder(5, 8, seed=1)))
    other, own = load_backbone(tmp_path / "other").sha256, load_backbone(extraction.backbone).sha256
    with pytest.raises(InputError) as caught:
        load_latents(extraction.folder, "test", other)
    path = extraction.folder / "test-00000.parquet"
    assert str(caught.value) == f"{path}: latents of backbone {own[:12]}, but the one on disk is {other[:12]}"


@pytest.mark.parametrize("damage", ["truncated", "changed"])
def test_a_damaged_images_table_is_refused_and_the_old_latents_stay(
    extraction: Extraction, tmp_path: Path, damage: str
) -> None:
    shutil.copytree(extraction.images, tmp_path / "images")
    path = tmp_path / "images" / "test.parquet"
    content = path.read_bytes()
    middle = len(content) // 2
    changed = content[:middle] + bytes(64) + content[middle + 64 :]
    path.write_bytes(content[:middle] if damage == "truncated" else changed)
    shutil.copytree(extraction.folder, tmp_path / "latents")
    damaged = Extraction(tmp_path / "images", extraction.backbone, tmp_path / "latents", extraction.worker)
    with pytest.raises(InputError, match=r"test\.parquet: (truncated|found checksum)"):
        damaged.run(tmp_path / "latents")
    assert (tmp_path / "latents" / "test-00000.parquet").read_bytes() == (
        extraction.folder / "test-00000.parquet"
    ).read_bytes()
    assert (
        sorted(path.name for path in tmp_path.iterdir()) == ["images", "latents", "runs"][: 2 + (damage == "changed")]
    )


def test_a_damaged_backbone_is_refused_before_anything_starts(extraction: Extraction, tmp_path: Path) -> None:
    shutil.copytree(extraction.backbone, tmp_path / "backbone")
    weights = tmp_path / "backbone" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    damaged = Extraction(extraction.images, tmp_path / "backbone", tmp_path / "latents", extraction.worker)
    with pytest.raises(InputError, match=r"weights\.safetensors: sha256 \w{12}, expected \w{12} as its card says"):
        damaged.run(tmp_path / "latents")
    assert [path.name for path in tmp_path.iterdir()] == ["backbone"]


@pytest.mark.parametrize(("of", "how", "channels"), [("mean", "pca 4", "first"), ("none", "pca 4 of none", None)])
def test_a_layer_along_its_principal_directions(
    extraction: Extraction, tmp_path: Path, of: str, how: str, channels: str | None
) -> None:
    save_backbone(tmp_path / "backbone", ClassifierBackbone.made(Classifier(10, 8, seed=0), None))
    params = LatentsParams.model_validate({"batch_size": 64, "reduce": {"pca": 4, "of": of}})
    setup = LatentsSetup(extraction.images, tmp_path / "backbone", "stage2", params)
    extract(setup, tmp_path / "latents", tmp_path / "runs", MACHINE, extraction.worker)
    latents, path = load_latents(tmp_path / "latents", "test"), tmp_path / "latents" / AXES
    cut = {"reduce": how, "kept": [0, 1, 2, 3], "image_shape": [32, 32]} | ({"channels": channels} if channels else {})
    assert latents.cut == cut | {"axes_sha256": sha256_file(path)}
    axes, images = read_axes(path), to_unit_range(load_images(extraction.images, "test").pixels)
    along = Reduction(how, channels, (torch.from_numpy(axes.centre), torch.from_numpy(axes.directions)))
    there = load_backbone(tmp_path / "backbone").cut("stage2", along)
    torch.testing.assert_close(torch.from_numpy(latents.mean), there.encode(images)[0], rtol=0, atol=1e-5)
    train = load_latents(tmp_path / "latents", "train").mean.astype(np.float64)
    assert np.abs(train.mean(axis=0)).max() < 1e-5
    assert np.abs(np.corrcoef(train.T) - np.eye(4)).max() < 1e-3
    assert (np.diff(train.std(axis=0)) < 0).all()
