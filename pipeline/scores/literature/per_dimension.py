"""All six scores of the literature that read a code dimension by dimension, as evaluate and the command report them.

A flow leaves rotations within a factor free, so these say little about block codes: they are there to compare with the
literature, and nothing is ranked by them.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from pipeline.scores.literature.dci import NUM_STAGES, dci
from pipeline.scores.literature.explicitness import explicitness
from pipeline.scores.literature.halves import split_rows
from pipeline.scores.literature.irs import irs
from pipeline.scores.literature.mutual_information import mig, modularity
from pipeline.scores.literature.plug_in import checked_table
from pipeline.scores.literature.sap import sap
from pipeline.scores.statistics.originals import original_index, stratified_rows
from pipeline.scores.statistics.score import Score

__all__ = ["per_dimension_scores"]

_MAX_FITTED_ROWS = 2000  # trees on more cost minutes; MIG, modularity and IRS read all rows


def per_dimension_scores(
    codes: ArrayLike,
    concepts: Mapping[str, ArrayLike] | ArrayLike,
    groups: ArrayLike | None = None,
    seed: int = 0,
    dci_stages: int = NUM_STAGES,
) -> dict[str, Score]:
    """`per_dimension/mig`, `…/modularity`, `…/irs`, `…/sap`, `…/dci_*` and `…/explicitness`, those that have a meaning.

    Absent: with no concept that varies, all; with one, modularity and `dci_disentanglement`; with concepts of values
    alone, explicitness. SAP, DCI and explicitness are fitted to one half of the rows and scored on the other, halved
    by original and stratified; of more than 2,000 rows they take 2,000, drawn by seed and stratified. Their details
    hold `train_rows` and `test_rows`.

    Args:
        codes: [n, N].
        concepts: by name integer categories [n] or float values [n, D], or one array [n, K]; none gives no score.
        groups: original of each row [n]; None where each row is its own.
        seed: of the subset, the halves, resamples and permutations.
        dci_stages: of boosting; disentanglement_lib has 100.

    Raises:
        ValueError: if codes are not finite, a concept is none, or there are fewer than four originals.
    """
    if isinstance(concepts, Mapping) and not concepts:
        return {}
    code, named = checked_table(codes, concepts)
    index = original_index(groups, len(code))
    classes = [np.unique(c, return_inverse=True)[1] for c in named.values() if c.ndim == 1]
    part = stratified_rows(classes, index, _MAX_FITTED_ROWS, seed)
    chosen = original_index(index[part], len(part))
    train, test = (part[rows] for rows in split_rows({name: c[part] for name, c in named.items()}, chosen, seed))
    of_train, of_test = ({name: c[rows] for name, c in named.items()} for rows in (train, test))
    halves = (code[train], of_train, code[test], of_test)
    originals = index[np.concatenate([train, test])]
    scores = {
        "mig": mig(code, named, groups=index, seed=seed),
        "modularity": modularity(code, named, groups=index, seed=seed),
        "irs": irs(code, named, groups=index, seed=seed),
        "sap": sap(*halves, groups=originals, seed=seed),
        **{f"dci_{name}": s for name, s in dci(*halves, stages=dci_stages, groups=originals, seed=seed).items()},
        "explicitness": explicitness(*halves, groups=originals, seed=seed),
    }
    return {f"per_dimension/{name}": score for name, score in scores.items() if score is not None}
