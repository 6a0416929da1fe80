"""Many small pictures as one, so that a page holds each once and shows any of them by its row and column."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["Sprite", "encode", "fitting", "room_beside"]

LARGEST = 128  # side of a picture in pixels, however large the network's are
MOST_PIXELS = 24_000_000  # of all pictures of a page
ROOM = 3_100_000  # bytes of all sprites of a page, at most; base64 makes a third more of them
_QUALITIES = (100, 92, 80, 65, 50, 35, 20)  # of WebP; the first is without loss
_PARTS = (2, 4)  # of height and width, where the lowest quality does not fit


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
    return _resized(pixels, max(1, round(height * share)), max(1, round(width * share)))


def encode(tables: Mapping[str, NDArray[np.uint8]], room: int = ROOM) -> dict[str, Sprite]:
    """Sprites of tables of pictures [rows, columns, h, w, 3], without loss where that fits in `room` bytes.

    Else of a lower quality, and where that is not enough, of half or a quarter of the height and width, too. The same
    tables give the same bytes.
    """
    for quality, part in (*((quality, 1) for quality in _QUALITIES), *((_QUALITIES[-1], part) for part in _PARTS)):
        smaller = {name: _resized(one, one.shape[2] // part, one.shape[3] // part) for name, one in tables.items()}
        contents = {name: _webp(_side_by_side(one), quality) for name, one in smaller.items()}
        if sum(map(len, contents.values())) <= room:
            break
    return {name: _sprite(tables[name].shape, content) for name, content in contents.items()}


def room_beside(page: str, most: int, num: int) -> int:
    """Bytes that `num` sprites may take beside a page that lacks them, which is to have at most so many bytes.

    Example:
        >>> room_beside("x" * 1000, 2000, 3), room_beside("", 10**9, 3) == ROOM
        (691, True)
    """
    longest = len(_address(b"")) + 3  # what stands before each, and what base64 adds at its end
    return min(ROOM, (most - len(page.encode()) - num * longest) * 3 // 4)


def _resized(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Pictures [..., H, W, 3] as [..., height, width, 3]; as they are, where they have that size."""
    if pixels.shape[-3:-1] == (height, width):
        return pixels
    flat = pixels.reshape(-1, *pixels.shape[-3:])
    small = [np.asarray(Image.fromarray(one).resize((width, height), Image.Resampling.LANCZOS)) for one in flat]
    return np.stack(small).reshape(*pixels.shape[:-3], height, width, 3)


def _side_by_side(table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns, height, width = table.shape[:4]
    return table.transpose(0, 2, 1, 3, 4).reshape(rows * height, columns * width, 3)


def _webp(sheet: NDArray[np.uint8], quality: int) -> bytes:
    buffer, lossless = BytesIO(), quality == 100
    # without loss "quality" says how long it tries: 100 takes 40 times as long, for 2 % less
    Image.fromarray(sheet).save(buffer, "WEBP", lossless=lossless, quality=75 if lossless else quality, method=4)
    return buffer.getvalue()


def _sprite(shape: Sequence[int], content: bytes) -> Sprite:
    return Sprite(shape[0], shape[1], _address(content))


def _address(content: bytes) -> str:
    return f"data:image/webp;base64,{base64.b64encode(content).decode('ascii')}"
