"""All that codes and concepts alone tell: probes, pairs, total correlation, and the scores of single dimensions.

Nothing of the network that gave the codes is needed, so that codes from anywhere can be compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.parallel import Parallel, delayed

from pipeline.basis.layout import Layout
from pipeline.scores.behaviour.density import block_total_correlation
from pipeline.scores.behaviour.pair import pair_correlation
from pipeline.scores.literature.per_dimension import per_dimension_scores
from pipeline.scores.probes.matrix import matrix_scores, probe_matrix, probe_scores
from pipeline.scores.statistics.concepts import checked_codes
from pipeline.scores.statistics.originals import original_index
from pipeline.scores.statistics.score import Score

__all__ = ["CodeScores", "FittedSeeds", "SharedPairs", "code_scores", "fitted_scores", "shared_pairs"]

_PAIRS_EACH = 2000


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
    probes, single = fitted_scores(code, named, layout, index, FittedSeeds(seed, seed), processes)
    pairs = _pairs(code, named, layout, index, seed, left_out)
    total: dict[str, Score] = {}
    try:
        total["block_tc"] = block_total_correlation(code, layout, seed, index)
    except ValueError as error:  # too few rows, or a covariance without an inverse
        left_out.append(f"block_tc is left out: {error}")
    return CodeScores(probes | pairs | total | single, tuple(left_out))


@dataclass(frozen=True)
class FittedSeeds:
    """Seeds of folds, subsets, resamples and permutations: of the probes, and of the scores of single dimensions."""

    probes: int
    per_dimension: int


def fitted_scores(
    codes: ArrayLike,
    concepts: Mapping[str, NDArray[Any]],
    layout: Layout,
    groups: ArrayLike | None,
    seeds: FittedSeeds,
    processes: int = 1,
) -> tuple[dict[str, Score], dict[str, Score]]:
    """The scores that something is fitted for: `probe/…`, and `per_dimension/…`; arguments as of `code_scores`."""
    single, rbf, linear = Parallel(n_jobs=processes)(  # the longest first
        [
            delayed(per_dimension_scores)(codes, concepts, groups, seeds.per_dimension),
            *(delayed(probe_matrix)(codes, concepts, layout, kind, groups, seeds.probes) for kind in ("rbf", "linear")),
        ]
    )
    return probe_scores(linear, layout, rbf) | matrix_scores(linear, layout), single


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


@dataclass(frozen=True)
class SharedPairs:
    """Row numbers of both members [P], the name of the concept that they share [P], and the rows that have no partner.

    Attributes:
        a, b: row numbers [P].
        concept: names [P].
        alone: for each concept how many rows share it with no other original.
    """

    a: NDArray[np.intp]
    b: NDArray[np.intp]
    concept: NDArray[np.str_]
    alone: Mapping[str, int]


def shared_pairs(
    concepts: Mapping[str, NDArray[Any]], index: NDArray[np.intp], pairs_each: int, seed: int
) -> SharedPairs:
    """`pairs_each` pairs of each concept that has any: a uniform over rows with a partner, b uniform over a's partners.

    Args:
        concepts: categories [n] or values [n, D] by name.
        index: original of each row [n], as from `original_index`.
        pairs_each: pairs of a concept.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    drawn_a, drawn_b, names, alone = [], [], [], {}
    for name, concept in concepts.items():
        group = np.unique(concept, axis=0, return_inverse=True)[1].ravel()
        order = np.lexsort((index, group))
        run = np.unique(np.stack([group, index], axis=1)[order], axis=0, return_inverse=True)[1].ravel()
        group_start, group_size = _spans(group[order])
        run_start, run_size = _spans(run)
        partners = group_size - run_size
        able = np.flatnonzero(partners)
        alone[name] = len(order) - len(able)
        if not len(able):
            continue
        place = able[rng.integers(len(able), size=pairs_each)]
        other = group_start[place] + rng.integers(partners[place])
        other += np.where(other >= run_start[place], run_size[place], 0)  # skips the copies of a's own original
        drawn_a.append(order[place])
        drawn_b.append(order[other])
        names += [name] * pairs_each
    nothing = [np.empty(0, np.intp)]
    return SharedPairs(np.concatenate(drawn_a or nothing), np.concatenate(drawn_b or nothing), np.array(names), alone)


def _spans(sorted_numbers: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """For each place in a sorted array where the span of equal numbers begins, and how long it is."""
    starts = np.flatnonzero(np.r_[True, sorted_numbers[1:] != sorted_numbers[:-1]])
    sizes = np.diff(np.r_[starts, len(sorted_numbers)])
    return np.repeat(starts, sizes), np.repeat(sizes, sizes)
