"""Torchvision's data sets, from a root that the user names or downloaded: MNIST, Fashion-MNIST, CIFAR-10, CelebA.

Torchvision takes two seconds to import, which whoever prepares other images would wait for: only who reads them does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.inputs.paths import data_root, in_root
from pipeline.params import DATA_ROOT
from pipeline.prepare.sources.concepts import Concepts
from pipeline.prepare.sources.decoder import Decoder
from pipeline.prepare.sources.stored_images import StoredImages

__all__ = ["Roots", "celeba", "cifar10", "fashion_mnist", "mnist", "mnist_digits"]

SIDE = 32  # pixels, to which digits and clothing of 28x28 are padded
CROP, FACE_SIDE = 160, 64  # pixels of a face that are cut out, and to which they are resized


@dataclass(frozen=True)
class Roots:
    """Places to look at.

    Attributes:
        given: `machine.data_root`; None: the environment variable IIN_DATA_ROOT, if it is set.
        downloads: where torchvision puts what is in no root.
    """

    given: str | None
    downloads: Path

    def resolve(self, path: str | None) -> str | None:
        """A relative path that is not there is one in the root; others are as they are."""
        return None if path is None else in_root(path, data_root(self.given))

    def open(self, make: Callable[..., Any], **arguments: Any) -> Any:
        """A torchvision data set, from the given root, or downloaded where there is none.

        Args:
            make: its class, or a function, called with `root`, `download` and the arguments.
            arguments: what else it takes.

        Raises:
            InputError: it is not in the root, or can't be downloaded; the line says how to give it.
        """
        root = data_root(self.given)
        try:
            if root is not None:
                return make(root=root, download=False, **arguments)
            return make(root=str(self.downloads), download=True, **arguments)
        except (RuntimeError, OSError) as error:
            where = f"{root}: not there" if root else f"{self.downloads}: can't be downloaded"
            raise InputError(
                f"{getattr(make, '__name__', 'data set')}: {where} ({one_line(error, 120)}); torchvision's layout is "
                f"expected in machine.data_root or the folder that {DATA_ROOT} names; where neither is set it is "
                "downloaded"
            ) from None


def mnist_digits(roots: Roots) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images [70000, 28, 28] and classes [70000]: the official training part, then the test part."""
    from torchvision.datasets import MNIST

    return _both_parts(roots, MNIST)


def _both_parts(roots: Roots, dataset: Callable[..., Any]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and classes of a data set in the form of MNIST, its training part first."""
    parts = [roots.open(dataset, train=train) for train in (True, False)]
    pixels = np.concatenate([part.data.numpy() for part in parts])
    return pixels, np.concatenate([part.targets.numpy() for part in parts]).astype(np.int64)


def mnist(roots: Roots) -> StoredImages:
    """Concept `digit`."""
    return _grey(*mnist_digits(roots), "digit", tuple(str(number) for number in range(10)))


def fashion_mnist(roots: Roots) -> StoredImages:
    """Concept `article`, with torchvision's names."""
    from torchvision.datasets import FashionMNIST

    return _grey(*_both_parts(roots, FashionMNIST), "article", tuple(FashionMNIST.classes))


def _grey(pixels: NDArray[np.uint8], classes: NDArray[np.int64], concept: str, names: tuple[str, ...]) -> StoredImages:
    margin = (SIDE - pixels.shape[1]) // 2

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        padded = np.pad(pixels[originals], ((0, 0), (margin, margin), (margin, margin)))
        return list(padded[..., None].repeat(3, axis=-1))

    concepts = Concepts({concept: classes}, {concept: len(names)}, {concept: names}, {})
    return StoredImages(read, concepts, concept, outside="zeros")


def cifar10(roots: Roots) -> StoredImages:
    """50,000 images of the training part, then 10,000 of the test part."""
    from torchvision.datasets import CIFAR10

    parts = [roots.open(CIFAR10, train=train) for train in (True, False)]
    pixels = np.concatenate([part.data for part in parts])
    names = tuple(parts[0].classes)
    classes = np.concatenate([np.array(part.targets, np.int64) for part in parts])

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        return list(pixels[originals])

    return StoredImages(read, Concepts({"class": classes}, {"class": len(names)}, {"class": names}, {}), "class")


def celeba(roots: Roots, size: int | None, stratum: str | None) -> StoredImages:
    """All 202,599 faces; 40 attributes, each true or false.

    Args:
        roots: where they lie.
        size: side, if not 64.
        stratum: the attribute whose share each split keeps.
    """
    from torchvision.datasets import CelebA

    class Faces(CelebA):  # type: ignore[misc]  # torchvision has no types
        """Without torchvision's check of the archive that the images come from: each is checked when it is read."""

        def _check_integrity(self) -> bool:
            folder = Path(self.root, self.base_folder)
            texts = [name for _, _, name in self.file_list if name.endswith(".txt")]
            return (folder / "img_align_celeba").is_dir() and all((folder / name).is_file() for name in texts)

    faces: Any = roots.open(Faces, split="all", target_type="attr")
    folder = Path(faces.root, faces.base_folder, "img_align_celeba")
    names = [name for name in faces.attr_names if name]
    attributes = faces.attr.numpy().astype(np.int64)
    labels = {name: attributes[:, column] for column, name in enumerate(names)}
    decode = Decoder(size or FACE_SIDE, "RGB", CROP)

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        paths = [folder / faces.filename[row] for row in originals]
        return [decode(path.read_bytes() if path.is_file() else b"", str(path)) for path in paths]

    class_names: dict[str, tuple[str, ...]] = dict.fromkeys(names, ("no", "yes"))
    concepts = Concepts(labels, dict.fromkeys(names, 2), class_names, {})
    return StoredImages(read, concepts, stratum if stratum in labels else None, decoder=decode)
