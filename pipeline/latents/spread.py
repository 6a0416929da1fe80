"""How each number of a layer spreads over the training rows, shard by shard: what its noise is measured by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.data.columns import vector_column
from pipeline.tables import read_schema, read_table

__all__ = ["latents_card"]


def latents_card(shards: Sequence[Path], jitter: float) -> dict[str, Any]:
    """What a reader of the latents needs beside them; one shard is in memory at a time.

    A deterministic layer has point masses, on which a density is unbounded: its numbers get a noise of `jitter` times
    their standard deviation; those that are the same in all training rows stay out of the flow and are carried along.

    Args:
        shards: of the training split, in the order of their rows.
        jitter: share of the standard deviation.

    Returns:
        `noise`: of the encoder, jitter, or none where draws from a prior have a density already; with jitter also its
        share, the `std` of each number (population, over the training rows) and which are `constant`.
    """
    noise = read_schema(shards[0])[1]["noise"]
    if noise != "jitter":
        return {"noise": noise}
    rows = 0
    for path in shards:
        values = vector_column(read_table(path, ["mean"])[0], "mean").astype(np.float64)
        mean, squares = values.mean(axis=0), ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        lowest, highest = values.min(axis=0), values.max(axis=0)
        if not rows:
            total, m2, low, high = mean, squares, lowest, highest
        else:  # Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979
            delta, both = mean - total, rows + len(values)
            m2 = m2 + squares + delta**2 * rows * len(values) / both
            total = total + delta * len(values) / both
            low, high = np.minimum(low, lowest), np.maximum(high, highest)
        rows += len(values)
    std = np.sqrt(m2 / rows)
    return {
        "noise": "jitter",
        "jitter": jitter,
        "std": std.tolist(),
        "constant": np.flatnonzero(low == high).tolist(),
    }
