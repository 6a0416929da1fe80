"""A set of images of one's own, in files that a test writes as people and their programs do."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from refusals import refusal_of

from pipeline.params import DataParams
from pipeline.prepare.images import prepare
from pipeline.tables.images import Images, load_images
from pipeline.tables.parquet import SPLITS

NUM = 120
PIXELS = np.random.default_rng(0).integers(0, 256, (NUM, 8, 8, 3), dtype=np.uint8)
KINDS = ("cat", "dog", "emu")


def content(pixels: np.ndarray) -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def write(folder: Path, names: Sequence[str]) -> Path:
    """Image number n under the n-th name."""
    for name, image in zip(names, PIXELS, strict=False):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content(image))
    return folder


def params(path: Path, **changes: Any) -> DataParams:
    still = {"rotate": 0.0, "translate": 0.0, "scale": 0.0, "shear": 0.0}
    asked = {"source": "image_folder", "path": str(path), "copies": 1, "warp": still, "concepts": ("class",), **changes}
    return DataParams.model_validate(asked)


def prepared(of: DataParams, folder: Path) -> dict[str, Images]:
    prepare(of, 0, folder)
    return {split: load_images(folder, split) for split in SPLITS}


def refusal(of: DataParams, folder: Path) -> str:
    return refusal_of(prepare, of, 0, folder)


def files(names: Sequence[str] = KINDS, num: int = NUM) -> list[str]:
    return [f"{names[row % len(names)]}/{row:03d}.png" for row in range(num)]
