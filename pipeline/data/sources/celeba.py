"""CelebA, from torchvision's files: a centred square of 160 of each aligned face, at 64x64; attributes are concepts."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchvision.datasets import CelebA

from pipeline.data.sources.roots import Roots
from pipeline.data.sources.stored import Concepts, Decoder, StoredImages

__all__ = ["celeba"]

CROP, SIDE = 160, 64


class _Faces(CelebA):  # type: ignore[misc]  # torchvision has no types
    """Without torchvision's check of the archive that the images come from: each image is checked when it is read."""

    def _check_integrity(self) -> bool:
        folder = Path(self.root, self.base_folder)
        texts = [name for _, _, name in self.file_list if name.endswith(".txt")]
        return (folder / "img_align_celeba").is_dir() and all((folder / name).is_file() for name in texts)


def celeba(roots: Roots, size: int | None, stratum: str | None) -> StoredImages:
    """All 202,599 faces; 40 attributes, each true or false.

    Args:
        roots: where they lie.
        size: side, if not 64.
        stratum: the attribute whose share each split keeps.
    """
    faces: Any = roots.open(_Faces, split="all", target_type="attr")
    folder = Path(faces.root, faces.base_folder, "img_align_celeba")
    names = [name for name in faces.attr_names if name]
    attributes = faces.attr.numpy().astype(np.int64)
    labels = {name: attributes[:, column] for column, name in enumerate(names)}
    decode = Decoder(size or SIDE, "RGB", CROP)

    def read(originals: NDArray[np.int64]) -> list[NDArray[np.uint8] | str]:
        paths = [folder / faces.filename[row] for row in originals]
        return [decode(path.read_bytes() if path.is_file() else b"", str(path)) for path in paths]

    class_names: dict[str, tuple[str, ...]] = dict.fromkeys(names, ("no", "yes"))
    concepts = Concepts(labels, dict.fromkeys(names, 2), class_names, {})
    return StoredImages(read, concepts, stratum if stratum in labels else None)
