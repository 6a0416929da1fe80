"""MNIST and Fashion-MNIST, from torchvision's files: grey images of 28x28, padded to 32x32; official parts pooled."""

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import MNIST, FashionMNIST

from pipeline.data.sources.roots import Roots
from pipeline.data.sources.stored import Concepts, StoredImages

__all__ = ["fashion_mnist", "mnist", "mnist_digits"]

SIDE = 32


def mnist_digits(roots: Roots, kind: type[MNIST] = MNIST) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [70000, 28, 28] and classes [70000]: the official training part, then the test part."""
    parts = [roots.open(kind, train=train) for train in (True, False)]
    pixels = np.concatenate([part.data.numpy() for part in parts])
    return pixels, np.concatenate([part.targets.numpy() for part in parts]).astype(np.int64)


def mnist(roots: Roots) -> StoredImages:
    """Concept `digit`."""
    return _grey(*mnist_digits(roots), "digit", tuple(str(number) for number in range(10)))


def fashion_mnist(roots: Roots) -> StoredImages:
    """Concept `article`, with torchvision's names."""
    return _grey(*mnist_digits(roots, FashionMNIST), "article", tuple(FashionMNIST.classes))


def _grey(pixels: NDArray[np.uint8], classes: NDArray[np.int64], concept: str, names: tuple[str, ...]) -> StoredImages:
    margin = (SIDE - pixels.shape[1]) // 2

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        padded = np.pad(pixels[originals], ((0, 0), (margin, margin), (margin, margin)))
        return list(padded[..., None].repeat(3, axis=-1))

    concepts = Concepts({concept: classes}, {concept: len(names)}, {concept: names}, {})
    return StoredImages(read, concepts, concept, outside="zeros")
