"""Principal directions of a layer's training rows, and latents along them (`latents.reduce: {pca: 32}`).

The actors have encoded the layer along its own axes. Two passes over their shards follow, one shard in memory at a
time: the covariance of the training rows, in the order of the shards; then each shard along its leading eigenvectors.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.linalg import eigh

from pipeline.errors import InputError
from pipeline.tables.axes import Axes
from pipeline.tables.parquet import metadata_of, read_table, vector_column, write_table

__all__ = ["principal_axes", "write_along"]

_NOTHING = 1e-10  # of the largest variance: what varies less is rounding


def principal_axes(shards: Sequence[Path], num: int, layer: str) -> Axes:
    """The first directions of training rows, each with its largest number above 0.

    Args:
        shards: of the training split, along the layer's own axes, in the order of their rows.
        num: how many directions.
        layer: its name, for an error.

    Raises:
        InputError: the rows vary along fewer directions.
    """
    rows = 0
    for path in shards:
        values = vector_column(read_table(path)[0], "mean").astype(np.float64)
        centre = values.mean(axis=0)
        scatter = (values - centre).T @ (values - centre)
        if not rows:
            total, whole = centre, scatter
        else:  # Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances, 1979
            delta, both = centre - total, rows + len(values)
            whole += scatter + np.outer(delta, delta) * (rows * len(values) / both)
            total = total + delta * (len(values) / both)
        rows += len(values)
    last = len(total) - 1
    variances, directions = eigh(whole / rows, subset_by_index=[last - num + 1, last])  # ascending
    if variances[0] <= _NOTHING * variances[-1]:
        varying = int((variances > _NOTHING * variances[-1]).sum())
        raise InputError(
            f"latents.reduce: found 'pca {num}', but the {rows} training rows of layer '{layer}' vary along {varying} "
            "directions"
        )
    directions = directions[:, ::-1]
    signs = np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(num)])
    return Axes(total, directions * signs)


def write_along(shard: Path, axes: Axes, path: Path) -> None:
    """Write a shard anew, its latents along the directions.

    Args:
        shard: along the layer's own axes; it is not changed.
        axes: the directions.
        path: of the new one.
    """
    table, record = read_table(shard)
    along = axes.along(vector_column(table, "mean"))
    column = pa.FixedSizeListArray.from_arrays(pa.array(along.ravel()), along.shape[1])
    table = table.set_column(table.schema.get_field_index("mean"), "mean", column)
    write_table(path, table, metadata_of(record) | {"shape": [along.shape[1]]})
