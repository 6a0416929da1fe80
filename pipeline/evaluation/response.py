"""How a classifier's decisions answer to edits of one factor (Esser, Rombach, Ommer, CVPR 2020, section 4.2).

Every factor of every input is drawn from N(0, 1), swapped with other originals', and walked in; each code goes back
through T⁻¹ and the rest of the classifier, and its decision is compared with that of the code without an edit.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.backbone.cut import Split
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.flow import Flow
from pipeline.interpretation.edits import sample, swap, walk
from pipeline.progress import Progress
from pipeline.scores.behaviour.response import ResponseTally, response_scores
from pipeline.scores.statistics.score import Score, response_name
from pipeline.tables.images import to_unit_range

__all__ = ["KINDS", "Responses", "respond"]

KINDS = ("sample", "swap", "walk")

BATCH = 500  # inputs at once


@dataclass(frozen=True)
class Responses:
    """What came out.

    Attributes:
        scores: `response/<kind>/<factor>/<measure>`.
        transitions: kind → factor → how many edits turned a decision for one class (row) into one for another (column).
    """

    scores: dict[str, Score]
    transitions: dict[str, dict[str, list[list[int]]]]


@torch.no_grad()
def respond(
    code: Tensor,
    flow: Flow,
    layout: Layout,
    split: Split,
    pixels: NDArray[np.uint8],
    original: NDArray[np.int64],
    num: int,
    seed: int,
) -> Responses:
    """Measure the response to each kind of edit of each factor.

    Args:
        code: z̃ of the inputs [n, N].
        flow: T.
        layout: its factors.
        split: the classifier at the layer of z.
        pixels: the inputs [n, H, W, 3].
        original: of each input [n]; swaps are between different ones.
        num: edits of each kind, factor and input.
        seed: the study's.
    """
    progress = Progress("response", len(code) * len(KINDS) * layout.num_factors * num, unit="edit")
    rows: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    transitions: dict[str, dict[str, NDArray[np.int64]]] = {kind: {} for kind in KINDS}
    done = 0
    for start in range(0, len(code), BATCH):
        part = slice(start, start + BATCH)
        decide = split.rest(to_unit_range(pixels[part]))
        unedited = _probabilities(decide(flow.inverse(code[part])))
        for kind in KINDS:
            for factor in layout.names:
                tally = ResponseTally(unedited)
                step_seed = draw_seed(seed, f"evaluate/response/{kind}/{factor}", start)
                for edited in _edits(kind, code, part, original, layout, factor, num, step_seed):
                    tally.add(_probabilities(decide(flow.inverse(edited))))
                rows.setdefault((kind, factor), []).append(tally.rows())
                transitions[kind][factor] = transitions[kind].get(factor, 0) + tally.transitions
                done += len(unedited) * num
                progress.update(done)
    intervals = draw_seed(seed, "evaluate/response_intervals")
    scores = {
        response_name(kind, factor, measure): score
        for (kind, factor), parts in rows.items()
        for measure, score in response_scores(np.concatenate(parts), intervals, original).items()
    }
    counts = {kind: {name: table.tolist() for name, table in of.items()} for kind, of in transitions.items()}
    return Responses(scores, counts)


def _edits(
    kind: str,
    code: Tensor,
    part: slice,
    original: NDArray[np.int64],
    layout: Layout,
    factor: str,
    num: int,
    seed: int,
) -> Iterator[Tensor]:
    """`num` edits of the codes of a part, one after another."""
    mine = code[part]
    if kind == "walk":
        yield from walk(mine, layout, factor, num, seed)
        return
    for step in range(num):
        if kind == "sample":
            yield sample(mine, layout, factor, draw_seed(seed, "step", step))
        else:
            rng = np.random.default_rng(draw_seed(seed, "step", step))
            yield swap(mine, code[torch.from_numpy(_donors(original[part], original, rng))], layout, factor)


def _donors(recipients: NDArray[np.int64], original: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    """A row of another original for each recipient."""
    donors = rng.integers(len(original), size=len(recipients))
    while (same := original[donors] == recipients).any():
        donors[same] = rng.integers(len(original), size=int(same.sum()))
    return donors


def _probabilities(logits: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = logits.double().softmax(dim=1).cpu().numpy()
    return found
