"""CIFAR-10, from torchvision's files: colour images of 32x32; the official parts pooled. Concept `class`."""

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import CIFAR10

from pipeline.data.sources.roots import Roots
from pipeline.data.sources.stored import Concepts, StoredImages

__all__ = ["cifar10"]


def cifar10(roots: Roots) -> StoredImages:
    """50,000 images of the training part, then 10,000 of the test part."""
    parts = [roots.open(CIFAR10, train=train) for train in (True, False)]
    pixels = np.concatenate([part.data for part in parts])
    names = tuple(parts[0].classes)
    classes = np.concatenate([np.array(part.targets, np.int64) for part in parts])

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        return list(pixels[originals])

    return StoredImages(read, Concepts({"class": classes}, {"class": len(names)}, {"class": names}, {}), "class")
