"""The explorer of a report: what its script is given, and the pictures that it shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.drawing.palette import spoken, tone
from pipeline.interpret.subject import Subject
from pipeline.interpretation.edits import path
from pipeline.judge.network import Judge
from pipeline.report.edits import Edited, Named, Plan, edited, plan_for, shown_output
from pipeline.report.evidence import called
from pipeline.report.sprites import fitting
from pipeline.report.words import colour_words
from pipeline.tables.images import Images, to_pixels

__all__ = ["Explorer", "explorer_of"]

MOST_CLASSES = 12  # that have a bar
_SPREAD = 3.0  # standard deviations that a bar of a value has to either side
_PAIRS, _POINTS = 3, 9  # of the straight lines from one image to another


@dataclass(frozen=True)
class Explorer:
    """What a page needs of the edits.

    Attributes:
        data: for the script, as JSON holds it.
        tables: pictures [rows, columns, h, w, 3] by name: `images` (real, drawn, drawn by way of the map), `donors` (a
            row a factor), `edits-<number>` (a row an image), `lines` (two rows a pair of images); where the network
            draws none, the first two alone, and of `images` the first row.
        shape: width and height of a picture.
        off: largest difference of a pixel by way of the map, of 255; None where the network draws no images.
    """

    data: dict[str, Any]
    tables: dict[str, NDArray[np.uint8]]
    shape: tuple[int, int]
    off: int | None


def explorer_of(subject: Subject, judge: Judge | None) -> Explorer:
    """Compute all edits of some images."""
    layout, rows = subject.layout, subject.rows
    backbone = rows.interpretation.backbone
    plan = plan_for(layout.num_factors)
    recipients = subject.recipients(plan.images)
    found = list(edited(subject, recipients, plan, judge))
    raw = rows.outputs_of_latents(rows.means[recipients], recipients)
    before = judge.name(raw) if judge is not None else {}
    num = sum(edits.outside.size for edits in found)
    donors = np.stack([_filled(subject.pixels[edits.donors], plan.donors) for edits in found])
    real = subject.pixels[recipients]
    tables, off, numbers = {"donors": fitting(donors, num)}, None, None
    if backbone.draws_images:
        drawn = to_pixels(raw)
        again = subject.draw_codes(rows.codes[recipients], recipients)
        off = int(np.abs(drawn.astype(int) - again).max())
        tables["images"] = fitting(np.stack([real, drawn, again]), num)
        tables |= {f"edits-{number}": fitting(edits.pixels, num) for number, edits in enumerate(found)}
        tables["lines"] = fitting(_lines(subject), num)
    else:
        tables["images"] = fitting(real[None], num)
        numbers = _Numbers.of(subject, found, shown_output(subject, raw))
    data = {
        "draws": backbone.draws_images,
        "images": _described(subject.rows.images, recipients, layout.concepts),
        "amounts": plan.amounts,
        "before": _worded(before, subject, judge),
        "factors": [_factor(edits, plan, subject, judge, numbers) for edits in found],
        "numbers": None if numbers is None else numbers.as_dict(backbone.decides),
    }
    height, width = tables["donors"].shape[2:4]
    return Explorer(data, tables, (width, height), off)


@dataclass(frozen=True)
class _Numbers:
    """How outputs that are no images become bars of 0 to 1000.

    Attributes:
        shown: which of the numbers of an output have a bar.
        labels: one each.
        centre, spread: that become 500 and 500 more, of values.
        before: bars of the outputs before any edit [R, shown].
    """

    shown: NDArray[np.intp]
    labels: list[str]
    centre: NDArray[np.float32]
    spread: NDArray[np.float32]
    before: list[list[int]]

    @classmethod
    def of(cls, subject: Subject, found: Sequence[Edited], before: NDArray[Any]) -> "_Numbers":
        backbone = subject.rows.interpretation.backbone
        every = np.concatenate([edits.output.reshape(-1, before.shape[1]) for edits in found])
        weight = every.mean(axis=0) if backbone.decides else every.std(axis=0)
        shown = np.sort(np.argsort(-weight, kind="stable")[:MOST_CLASSES])
        labels = [called(int(entry), backbone.class_names) for entry in shown]
        centre, spread = np.zeros(len(shown), np.float32), np.full(len(shown), 1, np.float32)
        if not backbone.decides:
            centre = before[:, shown].mean(axis=0) - _SPREAD * every[:, shown].std(axis=0)
            spread = np.maximum(2 * _SPREAD * every[:, shown].std(axis=0), np.finfo(np.float32).tiny)
        numbers = cls(shown, labels, centre, spread, [])
        return cls(shown, labels, centre, spread, numbers.bars(before))

    def bars(self, output: NDArray[Any]) -> list[list[int]]:
        """Outputs [n, K] as whole numbers."""
        shares = (output[:, self.shown] - self.centre) / self.spread
        bars: list[list[int]] = np.rint(1000 * np.clip(shares, 0, 1)).astype(int).tolist()
        return bars

    def as_dict(self, decides: bool) -> dict[str, Any]:
        return {"decides": decides, "labels": self.labels, "before": self.before}


def _factor(
    edits: Edited, plan: Plan, subject: Subject, judge: Judge | None, numbers: _Numbers | None
) -> dict[str, Any]:
    layout = subject.layout
    return {
        "name": _rest(layout) if edits.factor == RESIDUAL else spoken(edits.factor),
        "tone": tone(layout.index(edits.factor)),
        "columns": edits.columns(plan),
        "sliders": edits.sliders,
        "donors": _described(subject.rows.images, edits.donors, layout.concepts),
        "values": _set_to(edits, subject.rows.images),
        "outside": ["".join("1" if far else "0" for far in row) for row in edits.outside],
        "seen": _worded(edits.named, subject, judge),
        "bars": None if numbers is None else numbers.bars(edits.output.reshape(-1, edits.output.shape[-1])),
    }


def _rest(layout: Layout) -> str:
    """What the residual is called: beside concepts it is what they leave."""
    return "the rest" if layout.concepts else "the code"


def _worded(named: Named, subject: Subject, judge: Judge | None) -> list[dict[str, Any]]:
    """What a judge sees, concept by concept: words, and for each row which of them, as a number."""
    found, colours = [], _colours(subject.rows.images)
    for concept in subject.layout.concepts:
        if judge is None or concept not in named:
            continue
        texts = _texts(named[concept], judge.class_names.get(concept), concept in colours)
        words = sorted(set(texts))
        place = {word: number for number, word in enumerate(words)}
        found.append({"concept": spoken(concept), "words": words, "rows": [place[text] for text in texts]})
    return found


def _colours(images: Images) -> set[str]:
    """The concepts whose values are three numbers of 0 to 1, as red, green and blue are."""
    return {
        concept
        for concept, values in images.values.items()
        if values.shape[1] == 3 and np.nanmin(values) >= 0 and np.nanmax(values) <= 1
    }


def _texts(column: NDArray[Any], names: Sequence[str] | None, colour: bool) -> list[str]:
    """Categories [n] by name or number, values [n, D] as numbers, a colour with its name: `dark red #700a12`."""
    if column.ndim == 1:
        return [called(int(entry), names) for entry in column]
    if not colour:
        return [", ".join(f"{number:.2f}" for number in row) for row in column]
    levels = np.rint(255 * np.clip(column, 0, 1)).astype(int)
    return [f"{colour_words(*(row / 255))} #{''.join(f'{level:02x}' for level in row)}" for row in levels]


def _set_to(edits: Edited, images: Images) -> list[str]:
    """What a factor is set to, value by value, in the words that are used of it elsewhere."""
    classes = [value for value in edits.values if isinstance(value, str)]
    numbers = np.array([value for value in edits.values if not isinstance(value, str)])
    return [*classes, *(_texts(numbers, None, edits.factor in _colours(images)) if len(numbers) else [])]


def _described(images: Images, rows: NDArray[np.int64], concepts: Sequence[str]) -> list[str]:
    """What stored images show, as they are labelled: `digit 5, colour dark red`."""
    if not concepts:
        return [f"test image {row}" for row in rows]
    columns, colours = {}, _colours(images)
    for concept in concepts:
        column = images.values[concept] if concept in images.values else images.labels[concept]
        texts = _texts(column[rows], images.class_names.get(concept), concept in colours)
        columns[concept] = [text.split(" #")[0] if concept in colours else text for text in texts]
    few = list(columns)[:4]
    return [", ".join(f"{spoken(name)} {columns[name][row]}" for name in few) for row in range(len(rows))]


def _filled(pixels: NDArray[np.uint8], num: int) -> NDArray[np.uint8]:
    """Pictures [num, H, W, 3], black where there are fewer."""
    return np.concatenate((pixels, np.zeros((num - len(pixels), *pixels.shape[1:]), np.uint8)))


def _lines(subject: Subject) -> NDArray[np.uint8]:
    """Straight lines between images [2 · pairs, points, H, W, 3]: in the code, and below in z."""
    rows = subject.choose(list(subject.targets), 2 * _PAIRS, "interpret/pairs")
    codes, means = subject.rows.codes, subject.rows.means
    found = []
    for a, b in rows[: len(rows) // 2 * 2].reshape(-1, 2):
        recipients = np.repeat(a, _POINTS)
        found.append(subject.draw_codes(path(codes[a], codes[b], _POINTS), recipients))
        found.append(subject.draw_latents(path(means[a], means[b], _POINTS), recipients))
    return np.stack(found)
