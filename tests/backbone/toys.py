"""Images small in number, and what they show plain to see."""

import numpy as np

from pipeline.tables.images import Images

__all__ = ["toy_images"]


def toy_images(num_rows: int, seed: int) -> Images:
    """One half of each image bright (`digit`: which of two), in one of two levels of red (`colour`)."""
    rng = np.random.default_rng(seed)
    digit, colour = rng.integers(2, size=(2, num_rows))
    value = np.stack((0.2 + 0.6 * colour, np.zeros(num_rows)), axis=1).astype(np.float32)
    value[:, 1] = rng.random(num_rows)
    pixels = rng.integers(40, size=(num_rows, 32, 32, 3))
    for row in range(num_rows):
        half = slice(0, 16) if digit[row] else slice(16, 32)
        pixels[row, half] += 100
    pixels[..., 0] += (100 * value[:, 0]).astype(np.int64)[:, None, None]
    pixels[..., 2] += (100 * value[:, 1]).astype(np.int64)[:, None, None]
    return Images(
        id=np.arange(num_rows),
        original=np.arange(num_rows),
        pixels=pixels.astype(np.uint8),
        labels={"digit": digit, "colour": colour},
        values={"colour": value},
        num_categories={"digit": 2, "colour": 2},
    )
