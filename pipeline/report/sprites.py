"""Many small pictures as one, so that a page holds each once and shows any of them by its row and column."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Sprite", "encode", "fitting"]

LARGEST = 128  # side of a picture in pixels, however large the network's are
MOST_PIXELS = 24_000_000  # of all pictures of a page
ROOM = 3_100_000  # bytes of all sprites of a page; base64 makes a third more of them
_QUALITIES = (100, 92, 80, 65, 50, 35, 20)  # of WebP; the first is without loss


@dataclass(frozen=True)
class Sprite:
    """A table of pictures.

    Attributes:
        rows, columns: how many there are.
        address: a data URI.
    """

    rows: int
    columns: int
    address: str


def fitting(pixels: NDArray[np.uint8], num: int) -> NDArray[np.uint8]:
    """Pictures [..., H, W, 3], made smaller where a page of `num` of them would be too large.

    Example:
        >>> fitting(np.zeros((2, 512, 256, 3), np.uint8), 1000).shape
        (2, 128, 64, 3)
    """
    height, width = pixels.shape[-3:-1]
    largest = min(LARGEST, int((MOST_PIXELS / max(num, 1)) ** 0.5))
    if max(height, width) <= largest:
        return pixels
    share = largest / max(height, width)
    size = max(1, round(width * share)), max(1, round(height * share))
    flat = pixels.reshape(-1, height, width, 3)
    small = [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.LANCZOS)) for one in flat]
    return np.stack(small).reshape(*pixels.shape[:-3], size[1], size[0], 3)


def encode(tables: Mapping[str, NDArray[np.uint8]], room: int = ROOM) -> dict[str, Sprite]:
    """Sprites of tables of pictures [rows, columns, h, w, 3], without loss where that fits in `room` bytes.

    The same tables give the same bytes.
    """
    sheets = {name: _side_by_side(table) for name, table in tables.items()}
    for quality in _QUALITIES:
        contents = {name: _webp(sheet, quality) for name, sheet in sheets.items()}
        if sum(map(len, contents.values())) <= room:
            break
    return {name: _sprite(tables[name].shape, content) for name, content in contents.items()}


def _side_by_side(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns, height, width = table.shape[:4]
    return table.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _webp(sheet: NDArray[np.uint8], quality: int) -> bytes:
    buffer, lossless = BytesIO(), quality == 100
    # without loss "quality" says how long it tries: 100 takes 40 times as long, for 2 % less
    Image.fromarray(sheet).save(buffer, "WEBP", lossless=lossless, quality=75 if lossless else quality, method=4)
    return buffer.getvalue()


def _sprite(shape: Sequence[int], content: bytes) -> Sprite:
    return Sprite(shape[0], shape[1], f"data:image/webp;base64,{base64.b64encode(content).decode('ascii')}")
