"""What a path of params.yaml means: in the project or in the root of data, in a package, or a name of torchvision's."""

import glob
import importlib.resources
import os
import re
from pathlib import Path

from pipeline.errors import InputError
from pipeline.params import DATA_ROOT

__all__ = ["IMAGE_SUFFIXES", "data_root", "in_root", "is_hidden", "names_weights", "weights_file"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


def data_root(given: str | None) -> str | None:
    """The folder of torchvision's data sets: `machine.data_root`, else where IIN_DATA_ROOT points; None: neither."""
    root = given or os.environ.get(DATA_ROOT)
    return str(Path(root).expanduser()) if root else None


def in_root(path: str, root: str | None) -> str:
    """A relative path or glob that is not there is one in the root; others, and addresses, are as they are."""
    if root is None or "://" in path or Path(path).is_absolute() or Path(path).exists():
        return path
    there = next(glob.iglob(path, recursive=True), None)  # noqa: PTH207  of a person's pattern, which may be anything
    return str(Path(root, path)) if there is None else path


def is_hidden(path: Path | str) -> bool:
    """Whether a path below a folder of images is passed over: a file or a folder whose name begins with a dot.

    Example:
        >>> [is_hidden(path) for path in ("cat/1.png", "cat/.1.png", ".ipynb_checkpoints/1.png", "cat/../1.png")]
        [False, True, True, False]
    """
    return any(part.startswith(".") and part != ".." for part in Path(path).parts)


def weights_file(name: str) -> Path:
    """The file that a key names: a path, or `package:path/in/it` for one that ships inside an installed package.

    Raises:
        InputError: there is no such package.
    """
    package, _, inside = name.partition(":")
    if not inside or Path(name).exists():
        return Path(name)
    try:
        return Path(str(importlib.resources.files(package) / inside))
    except (ModuleNotFoundError, ValueError):  # the latter where a drive or an address stands before the colon
        raise InputError(f"backbone.weights: {name}: no package '{package}' is installed") from None


def names_weights(weights: str) -> bool:
    """Whether `backbone.weights` of a model of torchvision is a name of torchvision's, and no file.

    Example:
        >>> [names_weights(name) for name in ("IMAGENET1K_V1", "ResNet18_Weights.IMAGENET1K_V1", "mine.pt", "a/b")]
        [True, True, False, False]
    """
    return re.fullmatch(r"(\w+_Weights\.)?\w+", weights) is not None and not Path(weights).is_file()
