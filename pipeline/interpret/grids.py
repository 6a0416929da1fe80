"""Grids of what the network draws: factors swapped and drawn anew, lines between codes, reconstructions."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.drawing.palette import GAP, HEADER, HEADER_GAP, colour_of, draw_grid, extent, kept_and_taken, tint, titled
from pipeline.drawing.sheet import INK, MARGIN, MUTED, Sheet, line_height, new_sheet, text_width, upscale
from pipeline.interpret.subject import Subject
from pipeline.interpretation.edits import path, sample, swap

__all__ = ["SwapGrid", "path_sheet", "reconstructions", "sample_sheet", "swap_grid", "swap_sheet"]

_NUM_ROWS = 5
_NUM_PAIRS = 10  # as the paper has it
_LABELS = ("line in the code", "line in z")
_SMALL = 7.5  # points, of what stands below an image
_ROUNDING = 1  # of 255, by which a pixel may differ

_LABELS_RECONSTRUCTIONS = (
    ("image", "of the test split"),
    ("decoded z", "the network alone"),
    ("decoded T⁻¹(T(z))", "through the flow and back"),
)


@dataclass(frozen=True)
class SwapGrid:
    """Images of one grid.

    Attributes:
        factor: what is swapped.
        recipients: images [R, H, W, 3], one a row.
        donors: images [D, H, W, 3], one a column.
        unedited: what the network draws of the recipients without an edit [R, H, W, 3].
        swapped: what it draws after the swap [R, D, H, W, 3].
        own: whether recipient and donor are one image [R, D], so that the swap changes nothing.
    """

    factor: str
    recipients: NDArray[np.uint8]
    donors: NDArray[np.uint8]
    unedited: NDArray[np.uint8]
    swapped: NDArray[np.uint8]
    own: NDArray[np.bool_]


def swap_grid(subject: Subject, factor: str, num_recipients: int, num_donors: int) -> SwapGrid:
    """Swap `factor` between every recipient and every donor."""
    recipients, donors = subject.recipients(num_recipients), subject.donors(factor, num_donors)
    rows = recipients.repeat(len(donors))
    edit = swap(factor, subject.rows.codes[np.tile(donors, len(recipients))])
    pixels = subject.draw_codes(subject.edited(rows, edit), rows)
    grid = pixels.reshape(len(recipients), len(donors), *pixels.shape[1:])
    unedited = subject.draw_latents(subject.rows.means[recipients], recipients)
    own = recipients[:, None] == donors
    return SwapGrid(factor, subject.pixels[recipients], subject.pixels[donors], unedited, grid, own)


def swap_sheet(subject: Subject, factor: str, num: int) -> Sheet:
    """The grid of `num` recipients and `num` donors, as one figure."""
    grid = swap_grid(subject, factor, num, num)
    recipients, donors, unedited, swapped = (
        upscale(images, 128) for images in (grid.recipients, grid.donors, grid.unedited, grid.swapped)
    )
    height, width = swapped.shape[2:4]
    kept, others, taken = kept_and_taken(subject.layout, factor)
    left, top = MARGIN + line_height(9) + 12, line_height(9) + 12
    alone_left = left + width + HEADER_GAP
    inner_left, inner_top = alone_left + width + HEADER_GAP, top + height + HEADER_GAP
    framed = " Framed: recipient and donor are one image, so that nothing changes." if grid.own.any() else ""
    sheet = new_sheet(
        inner_left + extent(len(donors), width) + MARGIN,
        inner_top + extent(len(recipients), height),
        f"{titled(factor)} swapped",
        f"Each image keeps {kept} of the image at its left, and takes {taken} from the image above it. "
        f"{subject.shaded}; the frozen network draws the others, those of the second column without a swap.{framed}",
    )
    colour = colour_of(subject.layout, factor)
    draw_grid(sheet, donors[None], inner_left, sheet.top + top, tint(colour, 0.3))
    draw_grid(sheet, recipients[:, None], left, sheet.top + inner_top, HEADER)
    draw_grid(sheet, unedited[:, None], alone_left, sheet.top + inner_top)
    for row, column in np.argwhere(grid.own):
        x, y = inner_left + column * (width + GAP), sheet.top + inner_top + row * (height + GAP)
        sheet.box(x - GAP // 2, y - GAP // 2, width + GAP, height + GAP, INK)
    draw_grid(sheet, swapped, inner_left, sheet.top + inner_top)
    style = {"ha": "center", "va": "center", "fontweight": "bold"}
    middle = inner_left + extent(len(donors), width) / 2
    sheet.text(f"{taken} taken from these", middle, sheet.top + line_height(9) / 2, color=colour, **style)
    middle, above = alone_left + width / 2, sheet.top + top + height
    sheet.text("network\nalone", middle, above, ha="center", va="bottom", fontsize=7.5, color=MUTED)
    middle = sheet.top + inner_top + extent(len(recipients), height) / 2
    sheet.text(f"{others} kept from these", MARGIN + line_height(9) / 2 - 6, middle, rotation=90, **style)
    return sheet


def sample_sheet(subject: Subject, factor: str, columns: int) -> Sheet:
    """Five images, each with `columns` draws of `factor` from N(0, 1)."""
    rows = subject.recipients(_NUM_ROWS)
    recipients = rows.repeat(columns)
    edit = sample(factor, draw_seed(subject.seed, f"interpret/samples/{factor}"))
    drawn = upscale(subject.draw_codes(subject.edited(recipients, edit), recipients), 128)
    headers = upscale(subject.pixels[rows], 128)
    height, width = headers.shape[1:3]
    kept, others, drawn_anew = kept_and_taken(subject.layout, factor)
    left, top = MARGIN + line_height(9) + 12, line_height(9) + 12
    inner_left = left + width + HEADER_GAP
    sheet = new_sheet(
        inner_left + extent(columns, width) + MARGIN,
        top + extent(len(rows), height),
        f"{titled(factor)} drawn at random",
        f"Each image keeps {kept} of the image at its left; {drawn_anew} is drawn anew from the normal distribution "
        f"N(0, 1). {subject.shaded}; the frozen network draws the others.",
    )
    grid = drawn.reshape(len(rows), columns, *drawn.shape[1:])
    draw_grid(sheet, headers[:, None], left, sheet.top + top, HEADER)
    draw_grid(sheet, grid, inner_left, sheet.top + top)
    style = {"ha": "center", "va": "center", "fontweight": "bold"}
    middle = inner_left + extent(columns, width) / 2
    colour = colour_of(subject.layout, factor)
    sheet.text(f"{columns} draws of {drawn_anew}", middle, sheet.top + line_height(9) / 2 - 4, color=colour, **style)
    middle = sheet.top + top + extent(len(rows), height) / 2
    sheet.text(f"{others} kept from these", MARGIN + line_height(9) / 2 - 6, middle, rotation=90, **style)
    return sheet


def path_sheet(subject: Subject, num_steps: int) -> Sheet:
    """Ten pairs of images, two rows a pair: the line in the code above, the line in z below.

    Without a concept T is a density of z and no more: then the log-likelihood of each point stands below its image.
    """
    rows = subject.choose(list(subject.targets), 2 * _NUM_PAIRS, "interpret/pairs")
    pairs = rows[: len(rows) // 2 * 2].reshape(-1, 2)
    codes, means = subject.rows.codes, subject.rows.means
    lines, likelihoods, apart = [], [], 0
    for a, b in pairs:
        recipient = np.repeat(a, num_steps)
        line, straight = path(codes[a], codes[b], num_steps), path(means[a], means[b], num_steps)
        in_latent = subject.draw_latents(straight, recipient)
        lines.append([subject.draw_codes(line, recipient), in_latent])
        likelihoods.append(
            [subject.log_likelihood(subject.rows.interpretation.inverse(line)), subject.log_likelihood(straight)]
        )
        end = subject.draw_latents(means[[b]], np.array([b]))[0]
        apart = max(apart, int(np.abs(in_latent[-1].astype(int) - end).max()))
    pixels = upscale(np.array(lines), 96)
    ends = upscale(subject.pixels[pairs], 96)
    height, width = pixels.shape[3:5]
    plain = not subject.layout.concepts
    below = line_height(_SMALL) if plain else 0  # a line of text
    step = 2 * (height + below) + GAP + HEADER_GAP + 16
    left = MARGIN + round(max(text_width(label, 9) for label in _LABELS)) + 32
    inner_left = left + width + HEADER_GAP
    right = inner_left + extent(num_steps, width) + HEADER_GAP
    top = line_height(9) + 12
    sheet = new_sheet(
        right + width + MARGIN,
        top + len(pairs) * step - HEADER_GAP - 16,
        "From one image to another" if apart <= _ROUNDING else "From one image towards another",
        "Upper row of each pair: a straight line between the two codes, mapped back by T⁻¹. Lower row: a straight line "
        f"between the two vectors z. {subject.shaded}; the frozen network draws the others."
        + ("" if apart <= _ROUNDING else _carried(subject))
        + (_likelihoods(np.array(likelihoods)) if plain else ""),
    )
    style = {"ha": "center", "va": "center", "fontweight": "bold"}
    for x, label in ((left, "from"), (right, "to")):
        sheet.text(label, x + width / 2, sheet.top + line_height(9) / 2 - 4, **style)
    for number in range(len(pairs)):
        y = sheet.top + top + number * step
        for x, end in ((left, 0), (right, 1)):
            draw_grid(sheet, ends[number, end][None, None], x, y + (height + below + GAP) // 2, HEADER)
        for row, label in enumerate(_LABELS):
            top_of_row = y + row * (height + below + GAP)
            draw_grid(sheet, pixels[number, row][None], inner_left, top_of_row)
            sheet.text(label, MARGIN, top_of_row + height / 2, va="center")
            for column, value in enumerate(likelihoods[number][row] if plain else ()):
                x = inner_left + column * (width + GAP) + width / 2
                said = str(round(value)).replace("-", "−")
                sheet.text(said, x, top_of_row + height + 2, ha="center", fontsize=_SMALL, color=MUTED)
    return sheet


def _likelihoods(values: NDArray[np.float64]) -> str:
    """What a caption says of the log-likelihood along lines [pairs, 2, points]."""
    middle = values[:, :, values.shape[2] // 2].mean(axis=0)
    said = [str(round(value)).replace("-", "−") for value in middle]
    return (
        f" Below each image: log p(z) in nats under T. In the middle it is {said[0]} on the lines in the code and "
        f"{said[1]} on those in z, mean of these pairs."
    )


def _carried(subject: Subject) -> str:
    """What a caption says of lines whose last image is not the one at their right."""
    width, what = subject.width, subject.entering
    moves, rest = (f"the layer's {width:,} numbers move", "what passes it by")
    if what != "them":
        moves, rest = f"{what} move, of the layer's {width:,} numbers", "all else"
    return f" Only {moves}: {rest} is of the image at the left, so that no line reaches the image at the right."


def reconstructions(subject: Subject, columns: int) -> Sheet:
    """Three rows of `columns` images: the image, decoded z, decoded T⁻¹(T(z))."""
    rows = subject.recipients(columns)
    shown = [
        subject.pixels[rows],
        subject.draw_latents(subject.rows.means[rows], rows),
        subject.draw_codes(subject.rows.codes[rows], rows),
    ]
    apart = int(np.abs(shown[1].astype(int) - shown[2]).max())
    pixels = upscale(np.stack(shown), 128)
    height, width = pixels.shape[2:4]
    left = (
        MARGIN
        + round(max(max(text_width(name, 9, "bold"), text_width(what, 7.5)) for name, what in _LABELS_RECONSTRUCTIONS))
        + 40
    )
    tops = [0, height + HEADER_GAP, 2 * height + HEADER_GAP + GAP]
    sheet = new_sheet(
        left + extent(len(rows), width) + MARGIN,
        tops[-1] + height,
        "Is anything lost on the way?",
        "Second row: what the frozen network makes of the image. Third row: the same after the flow T and back; "
        f"T can be undone, so it should equal the second. Largest difference of a pixel: {apart} of 255.",
    )
    for number, (top, label) in enumerate(zip(tops, _LABELS_RECONSTRUCTIONS, strict=True)):
        band = HEADER if number == 0 else None
        draw_grid(sheet, pixels[number][None], left, sheet.top + top, band)
        middle = sheet.top + top + height / 2
        sheet.text(label[0], MARGIN, middle - 2, va="bottom", fontweight="bold")
        sheet.text(label[1], MARGIN, middle + 4, color=MUTED, fontsize=7.5)
    return sheet
