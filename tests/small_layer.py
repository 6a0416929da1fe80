"""What the stages leave of a layer, as far as commands read it: an untrained network, and a map that only whitens."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from extents import ball

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import load_backbone
from pipeline.basis.layout import Layout
from pipeline.files import write_json
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import save_iin
from pipeline.places import Places
from pipeline.tables.images import load_images
from pipeline.tables.parquet import SPLITS, latents_schema, write_table

__all__ = ["NUM_DIMS", "write_layer"]

NUM_DIMS = 6


def write_layer(places: Places, small_images: Path) -> None:
    """Images, network, latents and map of layer `latent`, with concepts digit and colour."""
    shutil.copytree(small_images, places.images)
    save_backbone(places.backbone, AutoencoderBackbone.made(Autoencoder(NUM_DIMS, 8, seed=0)))
    backbone = load_backbone(places.backbone)
    write_json(places.latents("latent") / "card.json", {"noise": "encoder"})
    for split in SPLITS:
        images = load_images(places.images, split)
        mean, scale = backbone.cut("latent").stored_latents(images.pixels, images.original)
        assert scale is not None
        columns = {"id": images.id, "original": images.original, "split": [split] * len(images)}
        columns |= {"mean": list(mean.numpy()), "scale": list(scale.numpy()), **images.labels}
        columns["colour_value"] = list(images.values["colour"])
        schema = latents_schema(NUM_DIMS, list(images.labels), {"colour": 3})
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        height, width = images.pixels.shape[1:3]
        metadata = {"backbone_sha256": backbone.sha256, "layer": "latent", "concepts": list(images.labels)}
        metadata |= {"reduce": "mean", "image_shape": [height, width], "shard": 0, "shards": 1}
        write_table(places.latents("latent") / f"{split}-00000.parquet", table, metadata)
    flow = Flow(FlowConfig(NUM_DIMS, num_blocks=2, width=8))
    flow.initialise(torch.as_tensor(np.asarray(mean)))
    cut = {"reduce": "mean", "kept": list(range(NUM_DIMS)), "image_shape": [height, width]}
    card = {"backbone_sha256": backbone.sha256, "layer": "latent", "cut": cut}
    save_iin(places.iin("latent"), flow, Layout.of(["digit", "colour"], [2, 2, 2]), card, ball(NUM_DIMS), metrics="")
