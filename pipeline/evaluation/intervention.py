"""Set a concept of test rows to a value, decode, and ask the judge; and lead rows to what no training image shows."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from pipeline.basis.draws import draw_seed
from pipeline.iin.values import Categories
from pipeline.interpretation.edits import Edit, place, swap
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import Judge
from pipeline.scores.behaviour.set_to import SetRows, set_score
from pipeline.scores.statistics.score import RECOGNISED, SET, Score

__all__ = ["Asked", "set_values", "unseen"]

Numbers = NDArray[np.int64]


class Asked:
    """Test rows, and what a judge sees in their reconstructions.

    Attributes:
        test: the rows, with the network and its map.
        judge: names what an image shows.
        shown: what it sees in the reconstruction of each row, by concept.
    """

    def __init__(self, test: Rows, judge: Judge) -> None:
        self.test, self.judge = test, judge
        self._targets = test.latents.targets()
        self.shown = judge.name(test.outputs_of_latents(test.means))

    def known(self, concept: str) -> Numbers:
        """Numbers of the rows that have a value of a concept that training rows have, too."""
        known = self.test.latents.labels[concept] >= 0
        values = self.test.interpretation.iin.values[concept]
        if isinstance(values, Categories):
            known = known & np.isin(self._targets[concept], values.categories)
        return np.flatnonzero(known)

    def apart(self, recipient: Numbers, source: Numbers) -> tuple[Numbers, Numbers]:
        """Those of pairs of rows that are of two originals."""
        original = self.test.latents.original
        different = original[recipient] != original[source]
        return recipient[different], source[different]

    def set_to(self, concept: str, recipient: Numbers, source: Numbers) -> SetRows:
        """Recipients whose concept is set to the value that the table says of the sources."""
        wanted = self._targets[concept][source]
        codes = self.test.interpretation.iin.values[concept].codes(wanted)  # type: ignore[arg-type]  # of its own kind
        return self._rows(recipient, source, wanted, place(concept, torch.from_numpy(codes)))

    def swapped(self, concept: str, recipient: Numbers, source: Numbers) -> SetRows:
        """Recipients that get the sources' factor; wanted is what the judge sees in these."""
        return self._rows(recipient, source, self.shown[concept][source], swap(concept, self.test.codes[source]))

    def _rows(self, recipient: Numbers, source: Numbers, wanted: ArrayLike, edit: Edit) -> SetRows:
        test = self.test
        changed = self.judge.name(test.outputs(test.interpretation.edit(test.codes[recipient], edit), recipient))
        before, other = (
            {name: self.shown[name][rows] for name in test.layout.concepts} for rows in (recipient, source)
        )
        return SetRows(before, wanted, other, changed, test.latents.original[recipient])


def set_values(asked: Asked, num: int, seed: int) -> dict[str, Score]:
    """`set/score`: each concept of random test rows is set to the value that another row, of another original, has.

    A value that no training row has is not asked for; a map that knows no values of a concept has no such score.

    Args:
        asked: the rows, and their judge.
        num: how many rows, at most, for each concept.
        seed: the study's.
    """
    test, rng = asked.test, np.random.default_rng(draw_seed(seed, "evaluate/set"))
    rows = {}
    for concept in test.interpretation.iin.values:
        if len(known := asked.known(concept)):
            recipient, source = rng.integers(len(test.codes), size=num), rng.choice(known, num)
            rows[concept] = asked.set_to(concept, *asked.apart(recipient, source))
    return set_score(rows, draw_seed(seed, "evaluate/set_intervals"))


def unseen(asked: Asked, num: int, seed: int) -> dict[str, Score]:
    """`unseen/set/score` and `unseen/swap/score`: edits that lead to combinations that no training image shows.

    A row that has all but one value of such a combination gets the last, set to it, or from a row that has it. Nothing
    where `data.leave_out` names none. Details say how far the judge, which learned from the same images, knows them.

    Args:
        asked: the rows, and their judge.
        num: how many rows, at most, for each concept.
        seed: the study's.
    """
    test, rng = asked.test, np.random.default_rng(draw_seed(seed, "evaluate/unseen"))
    if not test.latents.leave_out:
        return {}
    by_set, by_swap = {}, {}
    for concept in test.layout.concepts:
        recipient, source = asked.apart(*_leading(test, concept, num, rng))
        if len(recipient):
            by_swap[concept] = asked.swapped(concept, recipient, source)
            if concept in test.interpretation.iin.values:
                by_set[concept] = asked.set_to(concept, recipient, source)
    drawn = draw_seed(seed, "evaluate/unseen_intervals")
    scores = set_score(by_set, drawn, f"unseen/{SET}") | set_score(by_swap, drawn, "unseen/swap")
    told = {RECOGNISED: _recognised(asked)}
    return {
        name: replace(score, details=told | dict(score.details)) if name.endswith("/score") else score
        for name, score in scores.items()
    }


def _recognised(asked: Asked) -> float:
    """In which share of the test rows that show such a combination the judge sees it: it has not seen any, either."""
    labels = asked.test.latents.labels

    def all_of(cell: Mapping[str, int], shown: Mapping[str, ArrayLike]) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = np.all([np.asarray(shown[name]) == number for name, number in cell.items()], axis=0)
        return found

    cells = asked.test.latents.leave_out
    there = np.array([all_of(cell, labels) for cell in cells])
    seen = np.array([all_of(cell, asked.shown) for cell in cells])
    return float((there & seen).sum() / max(there.sum(), 1))


def _leading(test: Rows, concept: str, num: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
    """Rows that show all of a left-out combination but the concept's value, and rows that show that [n], n ≤ `num`."""
    labels = test.latents.labels
    recipients, sources = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    cells = [cell for cell in test.latents.leave_out if concept in cell]
    for cell in cells:
        value = labels[concept] == cell[concept]
        rest = np.all([labels[name] == number for name, number in cell.items() if name != concept], axis=0)
        near, with_it = np.flatnonzero(rest & ~value), np.flatnonzero(value)
        if len(near) and len(with_it):
            recipients.append(rng.choice(near, num // len(cells)))
            sources.append(rng.choice(with_it, num // len(cells)))
    return np.concatenate(recipients), np.concatenate(sources)
