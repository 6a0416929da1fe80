"""All that codes and concepts alone tell: probes, pairs, total correlation, and the scores of single dimensions.

Nothing of the network that gave the codes is needed, so that codes from anywhere can be compared.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.parallel import Parallel, delayed

from pipeline.basis.layout import Layout
from pipeline.scores.fit import block_total_correlation, pair_correlation, shared_pairs
from pipeline.scores.literature import per_dimension_scores
from pipeline.scores.probes import ProbeMatrix, matrix_scores, probe_matrix, probe_scores
from pipeline.scores.probes.models import MAX_STEPS
from pipeline.scores.statistics.concepts import checked_codes
from pipeline.scores.statistics.originals import original_index
from pipeline.scores.statistics.score import PROBE_GAP, Score

__all__ = ["CodeScores", "Fitted", "FittedSeeds", "code_scores", "fitted_scores", "unconverged_line"]

_PAIRS_EACH = 2000  # of each concept


@dataclass(frozen=True)
class CodeScores:
    """What was measured, and what was not.

    Attributes:
        scores: by name.
        left_out: one line for each score that has no meaning here, with the reason, and for rows without a partner.
    """

    scores: dict[str, Score]
    left_out: tuple[str, ...]


def code_scores(
    codes: ArrayLike,
    concepts: Mapping[str, NDArray[Any]],
    layout: Layout,
    groups: ArrayLike | None = None,
    seed: int = 0,
    processes: int = 1,
) -> CodeScores:
    """Scores of codes by name: `probe/…`, `pair/…`, `block_tc` and `per_dimension/…`.

    Args:
        codes: [n, N].
        concepts: integer categories [n] or float values [n, D] of each concept of the layout.
        layout: the factors of the codes.
        groups: original of each row [n]; None where each row is its own.
        seed: of folds, pairs, subsets, resamples and permutations.
        processes: fitted scores that are computed side by side, in processes of their own where there are several;
            the results do not depend on it.

    Raises:
        ValueError: if codes are not finite or of another width, a concept has one value only, or there are fewer
            than five originals.
    """
    code = checked_codes(codes, layout)
    named = {name: concepts[name] for name in layout.concepts}
    index = original_index(groups, len(code))
    left_out: list[str] = []
    fitted = fitted_scores(code, named, layout, index, FittedSeeds(seed, seed), processes)
    pairs = _pairs(code, named, layout, index, seed, left_out)
    total: dict[str, Score] = {}
    try:
        total["block_tc"] = block_total_correlation(code, layout, seed, index)
    except ValueError as error:  # too few rows, or a covariance without an inverse
        left_out.append(f"block_tc is left out: {error}")
    return CodeScores(fitted.probes | pairs | total | fitted.per_dimension, tuple(left_out))


@dataclass(frozen=True)
class FittedSeeds:
    """Seeds of folds, subsets, resamples and permutations: of the probes, and of the scores of single dimensions."""

    probes: int
    per_dimension: int


@dataclass(frozen=True)
class Fitted:
    """The scores that something was fitted for.

    Attributes:
        probes: `probe/…`, by name.
        per_dimension: `per_dimension/…`, by name.
        linear: the matrix that `probes` were read off, for comparison with those of other codes of the same rows.
    """

    probes: dict[str, Score]
    per_dimension: dict[str, Score]
    linear: ProbeMatrix


def fitted_scores(
    codes: ArrayLike,
    concepts: Mapping[str, NDArray[Any]],
    layout: Layout,
    groups: ArrayLike | None,
    seeds: FittedSeeds,
    processes: int = 1,
    begins: Callable[[str], None] | None = None,
) -> Fitted:
    """The scores that something is fitted for: `probe/…`, and `per_dimension/…`; arguments as of `code_scores`.

    `begins` is told what is fitted next. Seven parameters, as that is no part of what is measured.
    """
    fits = {  # the longest first
        "scores of single dimensions": delayed(per_dimension_scores)(codes, concepts, groups, seeds.per_dimension),
        "RBF probes": delayed(probe_matrix)(codes, concepts, layout, "rbf", groups, seeds.probes),
        "linear probes": delayed(probe_matrix)(codes, concepts, layout, "linear", groups, seeds.probes),
    }

    def begun() -> Iterator[Any]:
        for what, fit in fits.items():
            if begins is not None:
                begins(what)
            yield fit

    single, rbf, linear = Parallel(n_jobs=processes)(begun())
    return Fitted(probe_scores(linear, layout, rbf) | matrix_scores(linear, layout), single, linear)


def unconverged_line(scores: Mapping[str, Score]) -> str | None:
    """What to say of linear probes that stopped before their optimum; None where all of them reached it."""
    gap = scores.get(PROBE_GAP)
    if gap is None or "unconverged" not in gap.details:
        return None
    return (
        f"{gap.details['unconverged']} fits of linear probes (those for chance and perfect among them) stopped after "
        f"{MAX_STEPS} steps, before their optimum: a concept may be read a little better than they say"
    )


def _pairs(
    code: NDArray[np.float64],
    concepts: Mapping[str, NDArray[Any]],
    layout: Layout,
    index: NDArray[np.intp],
    seed: int,
    left_out: list[str],
) -> dict[str, Score]:
    """Pair correlations of the concepts that have pairs; the others, and rows without a partner, go to `left_out`."""
    pairs = shared_pairs(concepts, index, _PAIRS_EACH, seed)
    for name, alone in pairs.alone.items():
        if alone == len(code):
            left_out.append(f"pair scores of '{name}' are left out: no two originals share a value")
        elif alone:
            left_out.append(f"pair scores of '{name}' are without {alone} rows whose value no other original has")
    able = [name for name in layout.concepts if pairs.alone[name] < len(code)]
    if not able:
        return {}
    groups = np.stack([index[pairs.a], index[pairs.b]], axis=1)
    return pair_correlation(code[pairs.a], code[pairs.b], pairs.concept, layout, seed, able, groups)
