"""Set each concept of test rows to a value, decode, and ask the judge."""

import numpy as np
import torch

from pipeline.basis.draws import draw_seed
from pipeline.iin.values import Categories
from pipeline.interpretation.edits import place
from pipeline.interpretation.rows import Rows
from pipeline.judge.network import Judge
from pipeline.scores.behaviour.set_to import SetRows, set_score
from pipeline.scores.statistics.score import Score

__all__ = ["set_values"]


def set_values(test: Rows, judge: Judge, num: int, seed: int) -> dict[str, Score]:
    """`set/score`: each concept of random test rows is set to the value that another row, of another original, has.

    A value that no training row has is not asked for; a map that knows no values of a concept has no such score.

    Args:
        test: the rows, with the network and its map.
        judge: names what an image shows.
        num: how many rows, at most, for each concept.
        seed: the study's.
    """
    original, targets = test.latents.original, test.latents.targets()
    shown = judge.name(test.outputs_of_latents(test.means))
    rng = np.random.default_rng(draw_seed(seed, "evaluate/set"))
    rows = {}
    for concept, values in test.interpretation.iin.values.items():
        known = test.latents.labels[concept] >= 0
        if isinstance(values, Categories):
            known &= np.isin(targets[concept], values.categories)
        if not known.any():
            continue
        recipient, source = rng.integers(len(original), size=num), rng.choice(np.flatnonzero(known), num)
        different = original[recipient] != original[source]
        recipient, source = recipient[different], source[different]
        wanted = targets[concept][source]
        edit = place(concept, torch.from_numpy(values.codes(wanted)))
        changed = judge.name(test.outputs(test.interpretation.edit(test.codes[recipient], edit), recipient))
        references = [{name: shown[name][picked] for name in test.layout.concepts} for picked in (recipient, source)]
        rows[concept] = SetRows(references[0], wanted, references[1], changed, original[recipient])
    return set_score(rows, draw_seed(seed, "evaluate/set_intervals"))
