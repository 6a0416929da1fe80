"""What goes from the images table into the latents: concepts of any name, and the range of grey values."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from backbone.toys import toy_images, write_images

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.reduction import MEAN
from pipeline.extract.encoder import Encoder, LatentsSetup, Work
from pipeline.files import write_json
from pipeline.machine import Resources
from pipeline.params import LatentsParams
from pipeline.tables.latents import LATENTS_CARD, load_latents
from pipeline.tables.parquet import read_table, write_table


def test_latents_hold_concepts_called_scale_and_mean_and_the_range_of_the_images(tmp_path: Path) -> None:
    toys = toy_images(12, seed=0)
    images = replace(
        toys,
        labels={"scale": toys.labels["digit"], "mean": toys.labels["colour"]},
        values={"mean": toys.values["colour"]},
        num_categories={"scale": 2, "mean": 2},
    )
    path = write_images(tmp_path / "images", val=images) / "val.parquet"
    table, metadata = read_table(path)
    written = {key: metadata[key] for key in ("concepts", "categories", "values")}
    write_table(path, table, {**written, "image_range": [0.0, 4095.0]})
    save_backbone(tmp_path / "backbone", AutoencoderBackbone.made(Autoencoder(5, 8, seed=0)))
    setup = LatentsSetup(tmp_path / "images", tmp_path / "backbone", "latent", LatentsParams())
    shard = tmp_path / "latents/val-00000.parquet"
    work = Work(split="val", path=str(path), group=0, groups=1, rows=12, shard=str(shard))
    done = Encoder(setup, MEAN, Resources(cpus=1, gpus=0, device="cpu"))(pa.table({"work": [work]}))
    assert done.to_pylist() == [{"rows": 12, "error": None}]
    write_json(shard.with_name(LATENTS_CARD), {"noise": "encoder"})
    latents = load_latents(shard.parent, "val")
    assert (latents.mean.shape, latents.scale.shape) == ((12, 5), (12, 5))
    assert (latents.scale > 0).all()
    assert latents.image_range == (0.0, 4095.0)
    for name, labels in images.labels.items():
        assert np.array_equal(latents.labels[name], labels)
    assert np.array_equal(latents.values["mean"], toys.values["colour"])
