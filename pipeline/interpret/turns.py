"""How far each factor must move until a classifier decides otherwise: a table of test images, a picture of some."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.draws import draw_seed
from pipeline.drawing.palette import GAP, HEADER, colour_of, draw_grid, spoken
from pipeline.drawing.sheet import MARGIN, MUTED, Sheet, line_height, new_sheet, text_width, upscale
from pipeline.files import atomic_file
from pipeline.interpret.counterfactual import Counterfactuals, counterfactuals, reach
from pipeline.interpret.decisions import called
from pipeline.interpret.subject import Subject

__all__ = ["Turns", "turns_of", "turns_sheet", "write_turns"]

IMAGES = 100  # in the table
SHOWN = 6  # in the picture


@dataclass(frozen=True, eq=False)
class Turns:
    """The smallest moves of some test images.

    Attributes:
        rows: numbers of the images among the test rows [n]; the first are those of the picture.
        found: factor → its moves.
        nearest: factor → for each image the test row of the decision that the move leads to, whose latent is the
            nearest to where it leads [n]; −1 where there is no such row, or no move.
        distance: factor → how far where it leads lies from what T was trained on [n], of which 99.9 % is within 1.
    """

    rows: NDArray[np.int64]
    found: dict[str, Counterfactuals]
    nearest: dict[str, NDArray[np.int64]]
    distance: dict[str, NDArray[np.float64]]


def turns_of(subject: Subject) -> Turns | None:
    """Search them for a hundred test images; None, with a line, where the network's decisions have no gradient."""
    rows, interpretation = subject.rows, subject.rows.interpretation
    shown = subject.recipients(SHOWN)
    rng = np.random.default_rng(draw_seed(subject.seed, "interpret/turns"))
    others = np.setdiff1d(rng.permutation(len(rows.codes)), shown, assume_unique=True)[: IMAGES - len(shown)]
    chosen = np.concatenate([shown, others])
    decide = interpretation.along(subject.pixels[chosen])
    decisions = rows.outputs_of_latents(rows.means).argmax(dim=1).numpy()
    found, nearest, distance = {}, {}, {}
    for factor in subject.layout.names:
        try:
            moves = counterfactuals(decide, rows.codes[chosen], subject.layout.slice(factor))
        except (ValueError, RuntimeError) as error:  # an exported graph may have no backward
            print(f"counterfactuals are left out: {error}", flush=True)
            return None
        latents = interpretation.inverse(moves.codes)
        found[factor], distance[factor] = moves, interpretation.iin.distance(latents)
        nearest[factor] = _nearest(latents, moves, rows.means, decisions)
        print(f"{factor}: {_in_words(moves)}", flush=True)
    return Turns(chosen, found, nearest, distance)


def write_turns(path: Path, subject: Subject, turns: Turns | None) -> None:
    """Write a Parquet table, a row an image and factor; without rows where there are none.

    Columns: `id` of the image, `factor`, `decision`, `length` of the smallest move that turns it in standard deviations
    (null: none was found within `reach`), `turned_to`, `nearest_id`, the test image of that decision that it comes the
    nearest to, and `distance` of the latent that it leads to, as of `Turns`.
    """
    ids = subject.rows.latents.id
    columns: dict[str, list[object]] = {name: [] for name, _ in _COLUMNS}
    for factor, moves in () if turns is None else turns.found.items():
        assert turns is not None
        turned, near = moves.turned, turns.nearest[factor]
        columns["id"] += ids[turns.rows].tolist()
        columns["factor"] += [factor] * len(turns.rows)
        columns["decision"] += moves.before.tolist()
        columns["length"] += [float(length) if ok else None for length, ok in zip(moves.length, turned, strict=True)]
        columns["turned_to"] += [int(to) if ok else None for to, ok in zip(moves.after, turned, strict=True)]
        columns["nearest_id"] += [int(ids[row]) if row >= 0 else None for row in near]
        columns["distance"] += turns.distance[factor].tolist()
    with atomic_file(path) as beside:
        pq.write_table(pa.table(columns, schema=pa.schema(_COLUMNS)), beside)


_COLUMNS = [
    ("id", pa.int64()),
    ("factor", pa.string()),
    ("decision", pa.int64()),
    ("length", pa.float64()),
    ("turned_to", pa.int64()),
    ("nearest_id", pa.int64()),
    ("distance", pa.float64()),
]


def turns_sheet(subject: Subject, turns: Turns, names: Sequence[str] | None = None) -> Sheet:
    """A row an image, a column a factor: how far it must move, what is then decided, and the test image nearest to it.

    Args:
        subject: a layer of a network that decides.
        turns: of its test images.
        names: of the classes; None: they go by their number.
    """
    layout, num = subject.layout, min(SHOWN, len(turns.rows))
    images = upscale(subject.pixels, 128)
    height, width = images.shape[1:3]
    line = line_height(7.5)
    said = {factor: [_said(moves, row, names) for row in range(num)] for factor, moves in turns.found.items()}
    heads = {factor: f"{spoken(factor)}: {_in_words(moves)}" for factor, moves in turns.found.items()}
    longest = max(text_width(text, 7.5) for texts in said.values() for pair in texts for text in pair)
    column = max(width + 20 + round(longest), *(round(text_width(head, 7.5, "bold")) for head in heads.values())) + 40
    decided = [f"decided: {called(entry, names)}" for entry in next(iter(turns.found.values())).before[:num]]
    inner = MARGIN + width + 30 + round(max(text_width(text, 7.5) for text in decided)) + 50
    sizes = zip(layout.names, layout.sizes, strict=True)
    limits = ", ".join(f"{reach(size):.1f} for {spoken(name)}" for name, size in sizes)
    sheet = new_sheet(
        max(inner + layout.num_factors * column + MARGIN, 1300),
        line_height(9) + 24 + num * (height + 3 * GAP),
        "How far must a factor move until the decision turns?",
        f"For {len(turns.rows)} test images the smallest move inside one factor was searched after which the frozen "
        "network decides otherwise, by its gradient; all other factors stay. Lengths are in standard deviations of the "
        f"factor; one that turns nothing within {limits} has no say. Beside each: the test image of the new decision "
        "whose latent is the nearest to where the move leads.",
    )
    for number, (factor, head) in enumerate(heads.items()):
        style = {"color": colour_of(layout, factor), "fontweight": "bold", "fontsize": 7.5}
        sheet.text(head, inner + number * column, sheet.top, **style)
    for row in range(num):
        top = sheet.top + line_height(9) + 24 + row * (height + 3 * GAP)
        draw_grid(sheet, images[turns.rows[row]][None, None], MARGIN + 8, top, HEADER)
        sheet.text(decided[row], MARGIN + width + 30, top + height / 2, va="center", fontsize=7.5)
        for number, factor in enumerate(turns.found):
            left, near = inner + number * column, turns.nearest[factor][row]
            if near >= 0:
                sheet.image(images[near], left, top)
            beside = left + width + 20 if near >= 0 else left
            for place, (text, colour) in enumerate(zip(said[factor][row], (None, MUTED), strict=True)):
                style = {} if colour is None else {"color": colour}
                sheet.text(text, beside, top + height / 2 + (place - 0.5) * line, va="center", fontsize=7.5, **style)
    return sheet


def _said(moves: Counterfactuals, row: int, names: Sequence[str] | None) -> tuple[str, str]:
    """Two lines on a move."""
    if not moves.turned[row]:
        return "turns nothing", ""
    return f"{moves.length[row]:.2f} std", f"→ {called(int(moves.after[row]), names)}"


def _in_words(moves: Counterfactuals) -> str:
    """How many turn, and how far that is in the middle."""
    turned = moves.turned
    middle = f", median {np.median(moves.length[turned]):.2f} std" if turned.any() else ""
    return f"turns {turned.sum()} of {len(turned)}{middle}"


def _nearest(latents: Tensor, moves: Counterfactuals, means: Tensor, decisions: NDArray[np.int64]) -> NDArray[np.int64]:
    near = np.full(len(latents), -1, np.int64)
    for row in np.flatnonzero(moves.turned):
        same = np.flatnonzero(decisions == moves.after[row])
        if len(same):
            near[row] = same[int((means[same] - latents[row]).norm(dim=1).argmin())]
    return near
