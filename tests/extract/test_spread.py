from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline.errors import InputError
from pipeline.extract.extraction import latents_card
from pipeline.files import write_json
from pipeline.tables.latents import load_latents
from pipeline.tables.parquet import latents_schema, write_table

DIMS = 5


def write(folder: Path, split: str, parts: list[np.ndarray]) -> list[Path]:
    """A deterministic layer's shards."""
    schema, first, paths = latents_schema(DIMS, ["digit"], {}, noisy=False), 0, []
    for number, mean in enumerate(parts):
        ids = np.arange(first, first + len(mean))
        columns = {"id": ids, "original": ids, "split": [split] * len(ids), "mean": list(mean), "digit": ids % 3}
        metadata = {"backbone_sha256": "0" * 64, "layer": "stage2", "reduce": "mean", "image_shape": [8, 8],
                    "concepts": ["digit"],
                    "noise": "jitter", "shard": number, "shards": len(parts)}  # fmt: skip
        paths.append(folder / f"{split}-{number:05d}.parquet")
        write_table(paths[-1], pa.table(columns, schema=schema), metadata)
        first += len(mean)
    return paths


def values(num: int, seed: int) -> np.ndarray:
    """Large means with little spread, a constant, and a unit that is at 0 in nearly every row."""
    rng = np.random.default_rng(seed)
    found = rng.normal([1e4, 0, 3, 0, -2], [0.1, 2, 0, 1, 1], size=(num, DIMS)).astype(np.float32)
    found[:, 2] = 3
    found[1:, 3] = 0
    return found


def test_the_spread_of_all_shards_is_that_of_one_table(tmp_path: Path) -> None:
    parts = [values(40, 0), values(7, 1), values(23, 2)]
    card = latents_card(write(tmp_path, "train", parts), 0.05)
    whole = np.concatenate(parts).astype(np.float64)
    assert card["std"] == pytest.approx(whole.std(axis=0).tolist(), rel=1e-9)
    assert (card["constant"], card["noise"], card["jitter"]) == ([2], "jitter", 0.05)


def test_a_layer_without_noise_gets_jitter_and_its_constants_stay_out(tmp_path: Path) -> None:
    parts = [values(40, 0), values(30, 1)]
    card = latents_card(write(tmp_path, "train", parts), 0.1)
    write_json(tmp_path / "card.json", card)
    write(tmp_path, "test", [values(9, 5) + 1])
    test = load_latents(tmp_path, "test")
    assert test.kept.tolist() == [0, 1, 3, 4]
    assert np.array_equal(test.mean, (values(9, 5) + 1)[:, [0, 1, 3, 4]])  # exact
    expected = 0.1 * np.concatenate(parts).astype(np.float64).std(axis=0)[[0, 1, 3, 4]]
    assert test.scale == pytest.approx(expected[None], rel=1e-6)  # of the training rows, and one for all
    assert test.scale_of(np.array([3, 8])) == pytest.approx(expected[None], rel=1e-6)


def test_a_layer_that_says_nothing_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "card.json", latents_card(write(tmp_path, "train", [np.ones((5, DIMS), np.float32)]), 0.1))
    with pytest.raises(InputError, match="all 5 numbers of layer 'stage2' are constant"):
        load_latents(tmp_path, "train")
