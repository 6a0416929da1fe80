"""How the output of a network that draws nothing answers to edits of one factor.

Every factor of every input is drawn from N(0, 1), swapped with other originals', and walked in; each code goes back
through T⁻¹ and the rest of the network, and its decision is compared with that of the code without an edit (Esser,
Rombach, Ommer, CVPR 2020, section 4.2); of a network that does not decide, the values that it gives are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.interpretation.edits import sample, swap, walk
from pipeline.interpretation.rows import Rows
from pipeline.progress import Progress
from pipeline.scores.behaviour.change import ChangeTally, output_scale
from pipeline.scores.behaviour.response import ResponseTally, response_scores
from pipeline.scores.statistics.originals import original_index, stratified_rows
from pipeline.scores.statistics.score import EDITED_IMAGES, OUTSIDE, Score, response_name
from pipeline.tables.latents import Latents

__all__ = ["EDITS", "Responses", "respond", "responding"]

EDITS = ("sample", "swap", "walk")
BATCH = 500  # inputs at once


@dataclass(frozen=True)
class Responses:
    """What came out.

    Attributes:
        scores: `response/<edit>/<factor>/<measure>`; the last measure is the share of edits that lead outside of what
            T was trained on.
        transitions: edit → factor → how many edits turned a decision for one class (row) into one for another (column);
            empty where the network does not decide.
    """

    scores: dict[str, Score]
    transitions: dict[str, dict[str, list[list[int]]]]


def responding(latents: Latents, num: int | None, seed: int) -> NDArray[np.int64]:
    """Row numbers [m], ascending, of the inputs that are edited.

    Args:
        latents: of the split.
        num: how many; None, or no fewer than there are: all. A part is drawn by original, and evenly over the
            categories of the concepts, so that a set sorted by class has all its classes in it.
        seed: the study's.
    """
    if num is None:
        return np.arange(len(latents))
    classes = [
        np.unique(labels, return_inverse=True)[1]
        for name, labels in latents.labels.items()
        if name not in latents.values
    ]
    originals = original_index(latents.original, len(latents))
    return stratified_rows(classes, originals, num, draw_seed(seed, "evaluate/response_images"))


@torch.no_grad()
def respond(rows: Rows, chosen: NDArray[np.int64], num: int, seed: int) -> Responses:
    """Measure the response to each edit of each factor.

    Args:
        rows: inputs of a network that draws nothing.
        chosen: numbers [n] of those that are edited.
        num: edits of each name, factor and input.
        seed: the study's.

    Raises:
        InputError: all inputs are of one original, so that there is no other to swap with; or the network gives the
            same values for all of them.
    """
    inputs = _Inputs(rows.codes[torch.from_numpy(chosen)], rows.latents.original[chosen], rows.layout)
    if len(np.unique(inputs.original)) < 2:
        raise InputError(
            f"evaluate.response_images: found {len(chosen)} images of one original; swaps need two originals or more"
        )
    progress = Progress("response", len(chosen) * len(EDITS) * inputs.layout.num_factors * num, unit="edit")
    begin, read = _tallies(rows)
    measured: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    outside: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    measures: tuple[str, ...] = ()
    transitions: dict[str, dict[str, NDArray[np.int64]]] = {}
    done = 0
    for start in range(0, len(chosen), BATCH):
        part = slice(start, start + BATCH)
        decide = rows.interpretation.outputs_for(rows.images.pixels[chosen[part]])
        unedited = read(decide(rows.interpretation.inverse(inputs.codes[part])))
        for name in EDITS:
            for factor in inputs.layout.names:
                tally = begin(unedited)
                part_seed = draw_seed(seed, f"evaluate/response/{name}/{factor}", start)
                beyond = np.zeros(len(unedited))
                for edited in inputs.edits(part, name, factor, num, part_seed):
                    latents = rows.interpretation.inverse(edited)
                    tally.add(read(decide(latents)))
                    beyond += ~(rows.interpretation.iin.distance(latents) <= 1)  # what is not a number, too
                outside.setdefault((name, factor), []).append(beyond / num)
                measured.setdefault((name, factor), []).append(tally.rows())
                measures = tally.MEASURES
                if isinstance(tally, ResponseTally):
                    tables = transitions.setdefault(name, {})
                    tables[factor] = tables.get(factor, 0) + tally.transitions
                done += len(unedited) * num
                progress.update(done)
    intervals = draw_seed(seed, "evaluate/response_intervals")
    scores = {
        response_name(name, factor, measure): replace(score, details={EDITED_IMAGES: len(chosen)})
        for (name, factor), parts in measured.items()
        for measure, score in response_scores(np.concatenate(parts), measures, intervals, inputs.original).items()
    }
    for (name, factor), shares in outside.items():
        share = response_scores(np.concatenate(shares)[:, None], [OUTSIDE], intervals, inputs.original)[OUTSIDE]
        scores[response_name(name, factor, OUTSIDE)] = replace(share, details={EDITED_IMAGES: len(chosen)})
    counts = {
        name: {factor: table.tolist() for factor, table in tables.items()} for name, tables in transitions.items()
    }
    return Responses(scores, counts)


@dataclass(frozen=True)
class _Inputs:
    """Codes [n, N] of the inputs, the original of each [n], and the factors."""

    codes: Tensor
    original: NDArray[np.int64]
    layout: Layout

    def edits(self, part: slice, name: str, factor: str, num: int, seed: int) -> Iterator[Tensor]:
        """`num` edits of the codes of a part, one after another."""
        codes = self.codes[part]
        if name == "walk":
            yield from walk(factor, num, seed)(codes, self.layout)
            return
        for step in range(num):
            step_seed = draw_seed(seed, "step", step)
            edit = sample(factor, step_seed) if name == "sample" else swap(factor, self._donors(part, step_seed))
            yield edit(codes, self.layout)

    def _donors(self, part: slice, seed: int) -> Tensor:
        """The code of another original for each input of a part."""
        rng, recipients = np.random.default_rng(seed), self.original[part]
        donors = rng.integers(len(self.original), size=len(recipients))
        while (same := self.original[donors] == recipients).any():
            donors[same] = rng.integers(len(self.original), size=int(same.sum()))
        return self.codes[torch.from_numpy(donors)]


Tally = ResponseTally | ChangeTally
Array = NDArray[np.float64]


def _tallies(rows: Rows) -> tuple[Callable[[Array], Tally], Callable[[Tensor], Array]]:
    """What counts the answers to edits, begun with the outputs without one; and what of an output it counts."""
    if rows.interpretation.backbone.decides:
        return ResponseTally, _probabilities
    scale = _scale(rows.outputs_of_latents(rows.means))
    return lambda unedited: ChangeTally(unedited, scale), _numbers


def _scale(values: Tensor) -> Array:
    """Standard deviation of each value [D] of test rows [n, D]; see `output_scale`.

    Raises:
        InputError: the network gives the same values for all rows, or one that is not finite.
    """
    try:
        return output_scale(values.numpy())
    except ValueError as error:
        raise InputError(f"backbone.output: what the network gives is no measure; {error}") from None


def _probabilities(logits: Tensor) -> Array:
    return _numbers(logits.double().softmax(dim=1))


def _numbers(output: Tensor) -> Array:
    numbers: Array = output.double().cpu().numpy()
    return numbers
