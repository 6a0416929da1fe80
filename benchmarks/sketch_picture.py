"""What a sketched concept does to images that no style model has touched: `python benchmarks/sketch_picture.py CONCEPT
PICTURE`, in a project whose study has that concept.

Test images as they are, what the network makes of each, and each set to either sketch and to halfway between. For
comparison the same images stand below as the style model drew them.
"""

import sys
from pathlib import Path

import torch
from torch import Tensor

from pipeline.drawing.sheet import INK, MARGIN, house_style, new_sheet, upscale
from pipeline.interpretation.interpretation import Interpretation
from pipeline.tables.images import load_images, to_pixels

COLUMNS, SIDE, GAP, LABELS = 10, 96, 8, 380  # of images, pixels


def main(concept: str, picture: Path) -> None:
    """Draw the sheet."""
    test = load_images(Path("data/images"), "test")
    plain = (test.labels[concept] == 0).nonzero()[0]
    plain = plain[:: len(plain) // COLUMNS][:COLUMNS]
    twins = {style: test.pixels[plain + style] for style in (1, 2)}  # rows that follow each image
    iin = Interpretation.open("models", "latent")
    images = test.pixels[plain]
    codes = iin.codes(images)
    to_a, to_b = (iin.edit(codes, iin.set_to(concept, style)) for style in ("a", "b"))

    def drawn(edited: Tensor) -> torch.Tensor:
        return iin.outputs(edited, images)

    rows = {
        "the image": images,
        "what the network makes of it": to_pixels(drawn(codes)),
        f"{concept} set to sketch a": to_pixels(drawn(to_a)),
        "halfway": to_pixels(drawn((to_a + to_b) / 2)),
        f"{concept} set to sketch b": to_pixels(drawn(to_b)),
        "the style model: a": twins[1],
        "the style model: b": twins[2],
    }
    width = 2 * MARGIN + LABELS + COLUMNS * (SIDE + GAP)
    title = f"{concept.capitalize()}, by two sketches, on images that were never stylised"
    caption = (
        "Test images. The frozen network draws each row from its code; only the factor of the concept is set, by what "
        "training images in the style of that sketch have there."
    )
    with house_style():
        sheet = new_sheet(width, len(rows) * (SIDE + GAP), title, caption)
        for number, (label, pixels) in enumerate(rows.items()):
            top = sheet.top + number * (SIDE + GAP)
            sheet.text(label, MARGIN, top + SIDE / 2, va="center", color=INK)
            for column, image in enumerate(pixels):
                sheet.image(upscale(image, SIDE), MARGIN + LABELS + column * (SIDE + GAP), top)
        sheet.save(picture)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
