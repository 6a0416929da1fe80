"""A concept whose name is a column of the latents table."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from backbone.toys import toy_images, write_images

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.cluster import Resources
from pipeline.extract.encoder import Encoder, LatentsSetup, Work
from pipeline.files import write_json
from pipeline.params import LatentsParams
from pipeline.tables.latents import LATENTS_CARD, load_latents


def test_latents_hold_concepts_called_scale_and_mean(tmp_path: Path) -> None:
    toys = toy_images(12, seed=0)
    images = replace(
        toys,
        labels={"scale": toys.labels["digit"], "mean": toys.labels["colour"]},
        values={"mean": toys.values["colour"]},
        num_categories={"scale": 2, "mean": 2},
    )
    write_images(tmp_path / "images", val=images)
    save_backbone(tmp_path / "backbone", AutoencoderBackbone.made(Autoencoder(5, 8, seed=0)))
    setup = LatentsSetup(tmp_path / "images", tmp_path / "backbone", "latent", LatentsParams())
    shard, path = tmp_path / "latents/val-00000.parquet", str(tmp_path / "images/val.parquet")
    work = Work(split="val", path=path, group=0, groups=1, rows=12, shard=str(shard))
    done = Encoder(setup, Resources(cpus=1, gpus=0, device="cpu"))(pa.table({"work": [work]}))
    assert done.to_pylist() == [{"rows": 12, "error": None}]
    write_json(shard.with_name(LATENTS_CARD), {"noise": "encoder"})
    latents = load_latents(shard.parent, "val")
    assert (latents.mean.shape, latents.scale.shape) == ((12, 5), (12, 5))
    assert (latents.scale > 0).all()
    for name, labels in images.labels.items():
        assert np.array_equal(latents.labels[name], labels)
    assert np.array_equal(latents.values["mean"], toys.values["colour"])
