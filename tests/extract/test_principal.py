from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.extract.extraction import latents_card
from pipeline.extract.principal import principal_axes, write_along
from pipeline.files import sha256_file, write_json
from pipeline.tables.axes import AXES, Axes, axes_file, read_axes, write_axes
from pipeline.tables.latents import load_latents
from pipeline.tables.parquet import read_table

from .test_spread import DIMS, write


def values(num: int, seed: int) -> np.ndarray:
    """Two large directions, one small, around a point far away; rank 3 of 5."""
    mixing = np.linalg.qr(np.random.default_rng(7).normal(size=(DIMS, DIMS)))[0][:, :3]
    along = np.random.default_rng(seed).normal(size=(num, 3)) * [5, 2, 0.5]
    return (along @ mixing.T + 100).astype(np.float32)


PARTS = [values(40, 0), values(7, 1), values(23, 2)]


def test_the_directions_of_all_shards_are_those_of_one_table(tmp_path: Path) -> None:
    axes = principal_axes(write(tmp_path, "train", PARTS), 3, "pool")
    whole = np.concatenate(PARTS).astype(np.float64)
    _, sizes, expected = np.linalg.svd(whole - whole.mean(axis=0), full_matrices=False)
    assert axes.centre == pytest.approx(whole.mean(axis=0), rel=1e-12)
    assert np.abs(expected[:3] @ axes.directions) == pytest.approx(np.eye(3), abs=1e-6)
    assert (axes.directions[np.abs(axes.directions).argmax(axis=0), range(3)] > 0).all(), "the same sign each time"
    spread = axes.along(np.concatenate(PARTS)).std(axis=0)
    assert spread == pytest.approx(sizes[:3] / np.sqrt(len(whole)), rel=1e-4)


def test_more_directions_than_the_rows_vary_along_are_refused(tmp_path: Path) -> None:
    shards = write(tmp_path, "train", [np.repeat(values(3, 0), 2, axis=0)])
    assert principal_axes(shards, 2, "pool").directions.shape == (DIMS, 2)
    with pytest.raises(InputError) as caught:
        principal_axes(shards, 4, "pool")
    assert str(caught.value) == (
        "latents.reduce: found 'pca 4', but the 6 training rows of layer 'pool' vary along 2 directions"
    )


def test_latents_along_them_are_a_table_like_any_other(tmp_path: Path) -> None:
    own, folder = tmp_path / "own", tmp_path / "along"
    shards = write(own, "train", PARTS)
    axes = principal_axes(shards, 2, "pool")
    write_axes(folder / AXES, axes)
    for shard in shards:
        write_along(shard, axes, folder / shard.name)
    card = latents_card(sorted(folder.glob("*.parquet")), 0.1) | {"axes_sha256": sha256_file(folder / AXES)}
    write_json(folder / "card.json", card)
    latents = load_latents(folder, "train")
    whole = np.concatenate(PARTS)
    assert latents.mean == pytest.approx((whole - axes.centre) @ axes.directions, abs=1e-5)
    assert latents.scale[0] == pytest.approx(0.1 * latents.mean.std(axis=0), rel=1e-4)
    assert latents.cut == {"reduce": "mean", "kept": [0, 1], "image_shape": [8, 8], "axes_sha256": card["axes_sha256"]}
    assert read_table(folder / shards[1].name)[1]["shape"] == [2]
    again = tmp_path / "again" / shards[0].name
    write_along(shards[0], principal_axes(shards, 2, "pool"), again)
    assert again.read_bytes() == (folder / shards[0].name).read_bytes()


def test_their_file_is_read_back_or_named(tmp_path: Path) -> None:
    axes = Axes(np.arange(3.0), np.eye(3)[:, ::-1][:, :2])
    write_axes(tmp_path / AXES, axes)
    assert axes_file(tmp_path) == tmp_path / AXES
    again = read_axes(tmp_path / AXES)
    assert np.array_equal(again.centre, axes.centre)
    assert np.array_equal(again.directions, axes.directions)
    (tmp_path / AXES).write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"axes\.safetensors: no principal directions \("):
        read_axes(tmp_path / AXES)
    assert axes_file(tmp_path / "elsewhere") is None
    with pytest.raises(InputError, match=r"axes\.safetensors: not there; run `dvc repro`"):
        read_axes(tmp_path / "elsewhere" / AXES)
