"""From an image file to pixels of 8 bits in RGB, as a person sees the file: upright, on white, in its own range."""

import struct
from collections.abc import Iterable
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pipeline.errors import InputError

__all__ = ["LOOKED_AT", "Decoder", "evenly"]

LOOKED_AT = 100  # images of a set, whose values tell the range of all

# what Pillow raises of a file that is empty, cut off, or no image
_UNREADABLE = (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError)
_DEEP = ("I", "F")  # modes of grey values of more than 8 bits, with `I;16` and the like
_CEILINGS = (1, 255, 4095, 65535)  # of floats up to 1, and of 8, 12 and 16 bits


class Decoder:
    """Turns files into pixels of one size and mode; an image that is neither is refused with its name.

    An image is turned as its EXIF data says, and what is transparent shows white. Grey values of more than 8 bits are
    scaled by one range for the whole set, as one of its own for each image would hide which is brighter.

    Args:
        size: side to which images are cut, centred, and resized; None: as they are, all alike.
        mode: to which they are converted (`RGB` or `L`); None: as they are, all alike.
        crop: side of a centred square that is cut out before; None: the largest.
        value_range: of grey values of more than 8 bits: those that become black and white, what is beyond is cut off;
            None: `look` finds it.
    """

    def __init__(
        self,
        size: int | None,
        mode: str | None,
        crop: int | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self._size, self._mode, self._crop = size, mode, crop
        self._range, self._cuts = value_range, value_range is not None
        self._first: tuple[str, tuple[int, int], str] | None = None
        self._said: str | None = None
        self._noted: dict[str, dict[str, None]] = {}  # what is said of images, and their names, in order

    @property
    def value_range(self) -> tuple[float, float] | None:
        """The grey values of more than 8 bits that become black and white; None where no range is known."""
        return self._range

    def look(self, files: Iterable[tuple[bytes, str]]) -> bool:
        """Find the range of grey values of more than 8 bits, before an image is decoded.

        It is 0 to the smallest of 1 (floats alone), 255, 4,095 and 65,535 that no value exceeds: files of 16 bits with
        values below 4,096 are of a camera of 12.

        Args:
            files: content and name of some images of the set.

        Returns:
            Whether one of them has such values.

        Raises:
            InputError: a value is negative, above 65,535 or not finite; the line names the file.
        """
        found = [(*extremes, name) for content, name in files if (extremes := _extremes(content)) is not None]
        if not found or self._cuts:
            return bool(found)
        for low, high, mode, name in found:
            if not (low >= 0 and high <= _CEILINGS[-1]):
                raise InputError(
                    f"{name}: mode {mode}, values {low:g} to {high:g}, accepted are those from 0 to {_CEILINGS[-1]}; "
                    "data.image_range: [black, white] says which of others become black and white"
                )
        highest = max(high for _, high, _, _ in found)
        floats = any(mode == "F" for _, _, mode, _ in found)
        ceiling = next(top for top in _CEILINGS[0 if floats else 1 :] if highest <= top)
        self._range = 0.0, float(ceiling)
        self._said = (
            f"images of mode {found[0][2]}: values from 0 to {ceiling} become black to white, as the largest of "
            f"{len(found)} images is {highest:g}; data.image_range: [black, white] says otherwise"
        )
        return True

    def __call__(self, content: bytes, name: str) -> NDArray[np.uint8] | str:
        """Pixels [H, W, 3] of a file's content; its name where it is empty or damaged.

        Raises:
            InputError: it is of another size or mode than those before, or has grey values beyond the range of the set.
        """
        try:
            opened = Image.open(BytesIO(content))
            several = getattr(opened, "is_animated", False) and opened.format != "MPO"  # a camera's: with a preview
            wide = not _is_deep(opened.mode) and ";16" in str(opened.tile)
            opened.load()
        except _UNREADABLE:
            return name
        if several:
            self._note("have several frames, of which the first is taken", name)
        if wide:
            self._note("have 16 bits a colour, of which the upper 8 are taken", name)
        image = self._plain(self._upright(opened, name), name).convert(self._mode or "RGB")
        if self._size is not None:
            image = _square(image, self._crop).resize((self._size, self._size), Image.Resampling.BILINEAR)
        self._require_alike(name, image.size, self._mode or opened.mode)
        return np.asarray(image.convert("RGB"))

    def remarks(self) -> list[str]:
        """What was made of the images so far, a line each."""
        counted = [
            f"{len(names)} images {what} (the first is {next(iter(names))})" for what, names in self._noted.items()
        ]
        return [*([self._said] if self._said else []), *counted]

    def _note(self, what: str, name: str) -> None:
        self._noted.setdefault(what, {})[name] = None  # a file is read once a copy

    def _upright(self, image: Image.Image, name: str) -> Image.Image:
        try:
            turned = ImageOps.exif_transpose(image)
            if image.getexif().get(0x0112, 1) != 1:  # the tag of the orientation
                self._note("are turned as their EXIF data says", name)
        except (*_UNREADABLE, KeyError, TypeError):
            return image  # damaged EXIF data says nothing of the picture
        return turned

    def _plain(self, image: Image.Image, name: str) -> Image.Image:
        """The image in a mode that converts to RGB as it looks."""
        if _is_deep(image.mode):
            return self._scaled(image, name)
        if image.has_transparency_data:
            layer = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
            if layer.getchannel("A").getextrema() != (255, 255):
                self._note("are transparent, and lie on white", name)
            return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
        if image.mode == "CMYK":
            self._note("are of mode CMYK, and converted without a colour profile", name)
        return image

    def _scaled(self, image: Image.Image, name: str) -> Image.Image:
        """Grey values of more than 8 bits as 8: black to white over the range of the set, to the nearest."""
        if self._range is None:
            raise InputError(
                f"{name}: mode {image.mode}, more than 8 bits, and no range of its values is known; data.image_range: "
                "[black, white] says it"
            )
        values, (black, white) = np.asarray(image, np.float64), self._range
        if not ((values >= black) & (values <= white)).all():
            if not (self._cuts and np.isfinite(values).all()):
                raise InputError(
                    f"{name}: mode {image.mode}, values {values.min():g} to {values.max():g}, but the images that were "
                    f"looked at are within {black:g} to {white:g}; data.image_range: [black, white] says which become "
                    "black and white"
                )
            self._note("have values beyond data.image_range, which are cut off", name)
        levels = np.rint((values.clip(black, white) - black) * (255 / (white - black)))
        return Image.fromarray(levels.astype(np.uint8))

    def _require_alike(self, name: str, size: tuple[int, int], mode: str) -> None:
        if self._first is None:
            self._first = name, size, mode
        first, first_size, first_mode = self._first
        if size != first_size:
            raise InputError(
                f"{name}: {size[0]}x{size[1]} pixels, but {first} has {first_size[0]}x{first_size[1]}; images of one "
                "size are expected, or data.image_size, to which all are cut and resized"
            )
        if mode != first_mode:
            raise InputError(
                f"{name}: mode {mode}, but {first} has {first_mode}; images of one mode are expected, or "
                "data.image_mode, to which all are converted"
            )


def evenly(num: int) -> list[int]:
    """Numbers of at most `LOOKED_AT` of `num` images, evenly over all, the first among them, ascending.

    Example:
        >>> evenly(3), len(evenly(1000)), evenly(1000)[:3]
        ([0, 1, 2], 100, [0, 10, 20])
    """
    return [number * num // LOOKED_AT for number in range(LOOKED_AT)] if num > LOOKED_AT else list(range(num))


def _is_deep(mode: str) -> bool:
    return mode.partition(";")[0] in _DEEP


def _extremes(content: bytes) -> tuple[float, float, str] | None:
    """Lowest and highest of grey values of more than 8 bits, and their mode; None of another image, or of none."""
    try:
        image = Image.open(BytesIO(content))
        if not _is_deep(image.mode):
            return None
        values = np.asarray(image)
    except _UNREADABLE:
        return None
    return float(values.min()), float(values.max()), image.mode


def _square(image: Image.Image, crop: int | None) -> Image.Image:
    side = min(*image.size) if crop is None else min(crop, *image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))
