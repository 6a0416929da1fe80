"""Files as people have them, against the pixels that a person would see."""

import struct
import zlib
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import Image
from refusals import refusal_of

from pipeline.errors import InputError
from pipeline.prepare.sources.decoder import Decoder, evenly

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (6, 4, 3), dtype=np.uint8)  # taller than wide
GREY = RGB[..., 0]
WHITE = np.full((6, 4, 3), 255)


def content(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(image: Image.Image, kind: str = "PNG", **options: Any) -> np.ndarray:
    pixels = Decoder(None, None)(content(image, kind, **options), "a.file")
    assert isinstance(pixels, np.ndarray)
    return pixels


def grey(values: np.ndarray) -> np.ndarray:
    return np.repeat(values[..., None], 3, axis=-1)


def refusal(decode: Decoder, *files: bytes) -> str:
    def decode_all() -> None:
        decode.look((file, f"{number}.tif") for number, file in enumerate(files))
        for number, file in enumerate(files):
            decode(file, f"{number}.tif")

    return refusal_of(decode_all)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(RGB), RGB),
        (Image.fromarray(GREY), grey(GREY)),
        (Image.fromarray(GREY > 127), grey(255 * (GREY > 127))),
        (Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE, colors=256), RGB),
        (Image.fromarray(np.dstack([RGB, np.full((6, 4), 255, np.uint8)])), RGB),
    ],
    ids=["RGB", "L", "1", "P", "opaque RGBA"],
)
def test_an_image_of_8_bits_is_as_it_is(image: Image.Image, expected: np.ndarray) -> None:
    decode = Decoder(None, None)
    assert np.array_equal(decode(content(image), "a.png"), expected)
    assert decode.remarks() == []


TURNED = {  # what the picture is, of the pixels as they are stored
    1: RGB,
    2: RGB[:, ::-1],
    3: RGB[::-1, ::-1],
    4: RGB[::-1],
    5: RGB.swapaxes(0, 1),
    6: np.rot90(RGB, -1),
    7: RGB[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(RGB),
}


@pytest.mark.parametrize("orientation", TURNED)
def test_an_image_is_turned_as_its_exif_data_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    decode = Decoder(None, None)
    assert np.array_equal(decode(content(Image.fromarray(RGB), exif=exif), "a.png"), TURNED[orientation])
    said = ["1 images are turned as their EXIF data says (the first is a.png)"]
    assert decode.remarks() == ([] if orientation == 1 else said)


def test_damaged_exif_data_says_nothing_of_the_picture() -> None:
    assert np.array_equal(decoded(Image.fromarray(RGB), exif=b"Exif\x00\x00no header"), RGB)


ALPHA = np.where(np.arange(24).reshape(6, 4) % 3 == 0, 0, 255).astype(np.uint8)
HIDDEN = (ALPHA == 0)[..., None]


def _see_through_palette() -> Image.Image:
    image = Image.fromarray(np.where(ALPHA == 0, 1, 0).astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 0, 0, 0])
    return image


@pytest.mark.parametrize(
    ("image", "options", "expected"),
    [
        (Image.fromarray(np.dstack([RGB, ALPHA])), {}, np.where(HIDDEN, 255, RGB)),
        (Image.fromarray(np.dstack([GREY, ALPHA])), {}, np.where(HIDDEN, 255, grey(GREY))),
        (_see_through_palette(), {"transparency": 1}, np.where(HIDDEN, 255, np.array([10, 20, 30]))),
        (Image.new("RGB", (4, 6), (1, 2, 3)), {"transparency": (1, 2, 3)}, WHITE),
    ],
    ids=["RGBA", "LA", "P", "one colour of RGB"],
)
def test_what_is_transparent_is_white(image: Image.Image, options: dict[str, Any], expected: np.ndarray) -> None:
    decode = Decoder(None, None)
    assert np.array_equal(decode(content(image, **options), "a.png"), expected)
    assert decode.remarks() == ["1 images are transparent, and lie on white (the first is a.png)"]


def test_half_transparent_is_half_white() -> None:
    pixels = decoded(Image.new("RGBA", (4, 6), (0, 100, 200, 128)))
    assert np.abs(pixels[0, 0].astype(float) - 255 + (255 - np.array([0, 100, 200])) * 128 / 255).max() <= 1


def test_of_an_animation_the_first_frame_is_taken_and_said() -> None:
    frames = [Image.new("RGB", (4, 6), colour) for colour in ("#0a141e", "#ffffff")]
    decode = Decoder(None, None)
    for kind, name in (("PNG", "a.png"), ("TIFF", "b.tif")):
        file = content(frames[0], kind, save_all=True, append_images=frames[1:])
        assert np.array_equal(decode(file, name)[0, 0], [10, 20, 30])
    assert decode.remarks() == ["2 images have several frames, of which the first is taken (the first is a.png)"]


def test_cmyk_is_converted_and_said() -> None:
    decode = Decoder(None, None)
    file = content(Image.new("CMYK", (4, 6), (255, 0, 0, 0)), "TIFF")
    assert np.array_equal(decode(file, "a.tif")[0, 0], [0, 255, 255])
    assert decode.remarks() == [
        "1 images are of mode CMYK, and converted without a colour profile (the first is a.tif)"
    ]


def test_a_file_is_counted_once_however_often_it_is_read() -> None:
    decode, file = Decoder(None, None), content(Image.new("RGBA", (4, 6)))
    for name in ("a.png", "b.png", "a.png"):
        decode(file, name)
    assert decode.remarks() == ["2 images are transparent, and lie on white (the first is a.png)"]


@pytest.mark.parametrize(
    "image", [Image.new("LAB", (4, 6), (136, 209, 196)), Image.new("RGB", (4, 6), "red").convert("YCbCr")]
)
def test_modes_of_tiff_are_shown_as_they_look(image: Image.Image) -> None:
    assert np.abs(decoded(image, "TIFF").astype(int) - [255, 0, 0]).max() < 10


def test_transparency_may_be_in_the_grey_already() -> None:
    """Pillow reads such a file, and writes none: its tag 338 is 2, and 1 says that grey is multiplied by alpha."""
    file = content(Image.new("LA", (4, 6), (50, 128)), "TIFF")
    tag = struct.pack("<HHIHH", 338, 3, 1, 2, 0)
    assert file.count(tag) == 1
    file = file.replace(tag, struct.pack("<HHIHH", 338, 3, 1, 1, 0))
    assert Image.open(BytesIO(file)).mode == "La"
    pixels = Decoder(None, None)(file, "a.tif")
    assert np.abs(np.asarray(pixels, int) - (255 - 128 + 50)).max() <= 1


@pytest.mark.parametrize("file", [b"", b"no image", content(Image.fromarray(RGB))[:60]])
def test_a_damaged_file_is_its_name(file: bytes) -> None:
    decode = Decoder(None, None)
    decode.look([(file, "a.png")])
    assert decode(file, "a.png") == "a.png"


def deep(values: Any, kind: str = "TIFF") -> bytes:
    """A row of grey values of more than 8 bits."""
    return content(Image.fromarray(np.array([values])), kind)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("largest", "white"), [(200, 255), (3000, 4095), (4095, 4095), (4096, 65535), (65535, 65535)])
def test_grey_of_16_bits_is_scaled_by_the_range_of_the_set(kind: str, largest: int, white: int) -> None:
    dark, bright = np.array([0, 7, 100], np.uint16), np.array([50, largest // 2, largest], np.uint16)
    files = [(deep(values, kind), f"{number}.file") for number, values in enumerate((dark, bright))]
    decode = Decoder(None, None)
    assert decode.look(files)
    for values, file in zip((dark, bright), files, strict=True):  # by one factor: which is brighter is still seen
        assert np.array_equal(decode(*file)[0], grey(np.rint(values * (255 / white))))
    (said,) = decode.remarks()
    assert said.startswith(f"images of mode I;16: values from 0 to {white} become black to white, as the largest of 2 ")
    assert said.endswith(f"images is {largest}; data.image_range: [black, white] says otherwise")


@pytest.mark.parametrize(
    ("values", "white"),
    [
        (np.array([0.0, 0.5, 1.0], np.float32), 1),
        (np.array([0.0, 128.5, 254.0], np.float32), 255),
        (np.array([0.0, 1.5, 40_000.0], np.float32), 65535),
        (np.array([0, 1, 3_000], np.int32), 4095),
        (np.array([0, 1, 1], np.int32), 255),
    ],
)
def test_floats_and_32_bits_are_scaled_likewise(values: np.ndarray, white: int) -> None:
    decode, file = Decoder(None, None), deep(values)
    decode.look([(file, "a.tif")])
    assert np.array_equal(decode(file, "a.tif")[0], grey(np.rint(values * (255 / white))))


def test_a_range_that_is_stated_cuts_off_what_is_beyond() -> None:
    decode = Decoder(None, None, value_range=(-1000.0, 1000.0))  # Hounsfield units
    file = deep(np.array([-2000, -1000, 0, 500, 3000], np.int32))
    assert decode.look([(file, "a.tif")])
    assert decode(file, "a.tif")[0, :, 0].tolist() == [0, 0, 128, 191, 255]
    assert decode.remarks() == ["1 images have values beyond data.image_range, which are cut off (the first is a.tif)"]


def test_values_that_have_no_range_are_refused_by_name() -> None:
    ours = "; data.image_range: [black, white] says which of others become black and white"
    for values, found in ((np.array([-1, 5], np.int32), "mode I, values -1 to 5"),
                          (np.array([0, 70_000], np.int32), "mode I, values 0 to 70000"),
                          (np.array([0, np.nan], np.float32), "mode F, values nan to nan")):  # fmt: skip
        line = refusal(
            Decoder(None, None), content(Image.fromarray(np.array([[0, 1]], np.int32)), "TIFF"), deep(values)
        )
        assert line == f"1.tif: {found}, accepted are those from 0 to 65535{ours}"
    stated = Decoder(None, None, value_range=(0.0, 1.0))
    assert "values nan to nan" in refusal(stated, deep(np.array([0, np.nan], np.float32)))


def test_a_value_beyond_those_that_were_looked_at_is_refused_by_name() -> None:
    decode = Decoder(None, None)
    decode.look([(deep(np.array([0, 900], np.uint16)), "a.tif")])
    with pytest.raises(InputError) as caught:
        decode(deep(np.array([1, 5000], np.uint16)), "b.tif")
    assert str(caught.value) == (
        "b.tif: mode I;16, values 1 to 5000, but the images that were looked at are within 0 to 4095; "
        "data.image_range: [black, white] says which become black and white"
    )


def test_an_image_of_16_bits_among_those_of_8_is_refused_by_name() -> None:
    decode = Decoder(None, "L")
    assert not decode.look([(content(Image.fromarray(GREY)), "a.png")])
    with pytest.raises(InputError, match=r"b\.tif: mode I;16, more than 8 bits, and no range of its values is known"):
        decode(deep(np.array([1, 5000], np.uint16)), "b.tif")


def test_colours_of_16_bits_keep_their_upper_8() -> None:
    """Pillow writes none: a PNG of one pixel of RGB, 16 bits each, by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = b"\x00" + struct.pack(">3H", 0x1280, 0x3400, 0xFFFF)
    header = struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0)
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row)) + chunk(b"IEND", b"")
    decode = Decoder(None, None)
    assert decode(file, "a.png")[0, 0].tolist() == [0x12, 0x34, 0xFF]
    assert decode.remarks() == ["1 images have 16 bits a colour, of which the upper 8 are taken (the first is a.png)"]


def test_images_to_look_at_are_spread_over_the_set() -> None:
    assert evenly(100) == list(range(100))
    found = evenly(12_345)
    assert (len(found), found[0]) == (100, 0)
    assert {after - before for before, after in pairwise(found)} <= {123, 124}
