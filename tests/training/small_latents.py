"""A latents table small enough for a second: two concepts mixed linearly into six dimensions, or more; and a flow."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.basis.layout import Layout
from pipeline.files import write_json
from pipeline.flow_task import FlowTaskConfig
from pipeline.params import FlowParams
from pipeline.tables.parquet import latents_schema, write_table

NUM_DIMS = 6


def write_latents(folder: Path, num_val: int = 60, num_dims: int = NUM_DIMS, backbone_sha256: str = "0" * 64) -> Path:
    """Write train (480 rows of 120 originals), val (`num_val` rows) and test (60 rows)."""
    rng = np.random.default_rng(0)
    mixing = np.linalg.qr(rng.normal(size=(num_dims, num_dims)))[0]
    centres, palette = 3 * rng.normal(size=(3, 2)), rng.random((4, 3))
    for split, originals, copies in (("train", 120, 4), ("val", num_val, 1), ("test", 60, 1)):
        original = np.repeat(np.arange(originals), copies)
        digit, colour = original % 3, rng.integers(0, 4, len(original))
        noise = 0.3 * rng.normal(size=(len(original), num_dims))
        z = noise + np.hstack([centres[digit], 3 * palette[colour], np.zeros((len(original), num_dims - 5))])
        columns = {
            "id": np.arange(len(original)),
            "original": original,
            "split": [split] * len(original),
            "mean": list((z @ mixing).astype(np.float32)),
            "scale": list(np.full_like(z, 0.1, dtype=np.float32)),
            "digit": digit,
            "colour": colour,
            "colour_value": list(palette[colour].astype(np.float32)),
        }
        schema = latents_schema(num_dims, ["digit", "colour"], {"colour": 3})
        table = pa.table({name: columns[name] for name in schema.names}, schema=schema)
        metadata = {"backbone_sha256": backbone_sha256, "layer": "latent", "concepts": ["digit", "colour"]}
        metadata |= {"reduce": "mean", "image_shape": [8, 8], "shard": 0, "shards": 1}
        write_table(folder / f"{split}-00000.parquet", table, metadata)
    write_json(folder / "card.json", {"noise": "encoder"})
    return folder


def small_flow(folder: Path, num_dims: int = NUM_DIMS, **settings: Any) -> FlowTaskConfig:
    """A flow of two blocks, which learns from a table that is written to `folder`; `settings`: its other ones."""
    return FlowTaskConfig(
        latents=str(write_latents(folder, num_dims=num_dims)),
        flow=FlowParams(num_blocks=2, width=16, rho=0.9),
        layout=Layout(("residual", "digit", "colour"), (num_dims - 4, 2, 2)),
        seed=5,
        **{"batch_size": 33} | settings,
    )
