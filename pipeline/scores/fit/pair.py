"""How alike the members of a pair are, in the factor that they share and elsewhere.

The correlation of a factor pools its dimensions: with each dimension centred over the pairs,
r = Σ_i cov(a_i, b_i) / sqrt(Σ_i var(a_i) · Σ_i var(b_i)), i over the factor's dimensions. A rotation within the
factor, which the loss leaves free, does not change it.

Who has no pairs of a training at hand draws them here, of rows of equal value of different originals.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.basis.layout import Layout
from pipeline.pairing.pairs import Partners
from pipeline.scores.statistics.concepts import checked_codes
from pipeline.scores.statistics.intervals import bootstrap_interval, pair_bootstrap_sums, pair_originals
from pipeline.scores.statistics.score import Score

__all__ = ["SharedPairs", "pair_correlation", "shared_pairs"]

_NUM_PERMUTATIONS = 20
_MIN_PAIRS = 3


def pair_correlation(
    codes_a: ArrayLike,
    codes_b: ArrayLike,
    concept: ArrayLike,
    layout: Layout,
    seed: int = 0,
    concepts: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
) -> dict[str, Score]:
    """`pair/own`, the correlation in the shared factor, and `pair/other_max`, the largest elsewhere.

    `pair/own` is the mean over concepts; `pair/other_max` the largest absolute correlation over concepts and their
    other factors, the residual included. `<name>/<concept>` gives each concept over its own pairs. `own` lies in
    [−1, 1], `other_max` in [0, 1]. Intervals resample the originals; chance pairs each a with the b of another pair of
    its concept: about 0 for `own`, above it for `other_max`, as a largest value is. No perfect value: it depends on rho
    and on the noise of the latents. With no concept in the layout there is no score. The scores are defined here.
    Seven parameters, as pairs come as plain arrays from whoever has some.

    Args:
        codes_a, codes_b: codes of the members of P pairs [P, N].
        concept: what each pair shares [P], the factor's number 1 … K or its name.
        layout: the factors of the codes.
        seed: of resamples and permutations.
        concepts: those to score, where some of the layout's have no pairs; None scores all.
        groups: originals of both members of each pair [P, 2]; None where no two pairs share one.

    Raises:
        ValueError: if codes are not finite or of another shape, a concept is unknown, or has fewer than 3 pairs.
    """
    code_a, code_b = checked_codes(codes_a, layout, "codes_a"), checked_codes(codes_b, layout, "codes_b")
    if code_a.shape != code_b.shape:
        raise ValueError(f"codes_b: found {len(code_b)} rows; {len(code_a)} are expected")
    if not layout.concepts:
        return {}
    shared = _factor_numbers(np.asarray(concept), len(code_a), layout)
    originals, num_originals = pair_originals(groups, len(code_a))
    rng = np.random.default_rng(seed)
    value, resamples, chance = {}, {}, {}
    for name in layout.concepts if concepts is None else concepts:
        rows = np.flatnonzero(shared == layout.index(name))
        if len(rows) < _MIN_PAIRS:
            raise ValueError(f"concept '{name}': found {len(rows)} pairs; at least {_MIN_PAIRS} are needed")
        # Centred first: a correlation is free of the mean, its sums in float64 are not.
        a, b = (code[rows] - code[rows].mean(axis=0) for code in (code_a, code_b))
        sums = _sums(a, b, layout)
        value[name] = _correlations(sums.sum(axis=0), layout)
        of_pairs = None if originals is None else originals[rows]
        resamples[name] = _correlations(pair_bootstrap_sums(sums, of_pairs, num_originals, seed), layout)
        shuffled = [_sums(a, b[rng.permutation(len(b))], layout).sum(axis=0) for _ in range(_NUM_PERMUTATIONS)]
        chance[name] = _correlations(np.stack(shuffled), layout)
    values, samples, chances = _summaries(value, layout), _summaries(resamples, layout), _summaries(chance, layout)
    scores = {}
    for name, number in values.items():
        low, high = bootstrap_interval(samples[name], float(number))
        scores[name] = Score(float(number), low, high, chance=float(chances[name].mean()))
    return scores


def _factor_numbers(concept: NDArray[np.generic], num_pairs: int, layout: Layout) -> NDArray[np.int64]:
    """Factor number [P] of each pair, from numbers or names."""
    if concept.shape != (num_pairs,):
        raise ValueError(f"concept: found shape {concept.shape}; one a pair is expected, ({num_pairs},)")
    if concept.dtype.kind in "iu":
        known = np.arange(1, layout.num_factors)
        numbers = concept.astype(np.int64)
    else:
        known = np.array(layout.concepts)
        numbers = np.array([layout.names.index(name) if name in layout.concepts else 0 for name in concept.tolist()])
    unknown = ~np.isin(concept, known)
    if unknown.any():
        raise ValueError(f"concept: found {concept[unknown][0]!r}; the layout has {', '.join(map(str, known))}")
    return numbers


def _sums(a: NDArray[np.float64], b: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    """[P, 2 N + 3 F + 1]: what a correlation is made of: a, b, and for each factor Σ ab, Σ a², Σ b², and a one."""
    starts = [where.start for where in layout.slices]
    products = [np.add.reduceat(product, starts, axis=1) for product in (a * b, a * a, b * b)]
    return np.hstack([a, b, *products, np.ones((len(a), 1))])


def _correlations(sums: NDArray[np.float64], layout: Layout) -> NDArray[np.float64]:
    """Pooled correlation of each factor [..., F] from summed rows; 0 where a factor does not vary."""
    num_dims, num_factors = layout.num_dims, layout.num_factors
    starts = [where.start for where in layout.slices]
    count = np.maximum(sums[..., -1:], 1)  # a resample without a pair varies in nothing
    mean_a, mean_b = sums[..., :num_dims] / count, sums[..., num_dims : 2 * num_dims] / count
    products = np.split(sums[..., 2 * num_dims : 2 * num_dims + 3 * num_factors] / count, 3, axis=-1)
    means = [np.add.reduceat(m, starts, axis=-1) for m in (mean_a * mean_b, mean_a**2, mean_b**2)]
    cov, var_a, var_b = (product - mean for product, mean in zip(products, means, strict=True))
    scale = np.sqrt(np.maximum(var_a, 0) * np.maximum(var_b, 0))
    varies = scale > 1e-12 * np.sqrt(products[1] * products[2])
    return np.asarray(np.where(varies, cov / np.where(varies, scale, 1), 0))


def _summaries(correlation: dict[str, NDArray[np.float64]], layout: Layout) -> dict[str, NDArray[np.float64]]:
    """Each summary [...] of correlations [..., F] by concept."""
    own = {name: r[..., layout.index(name)] for name, r in correlation.items()}
    other = {name: np.abs(np.delete(r, layout.index(name), axis=-1)).max(axis=-1) for name, r in correlation.items()}
    return {
        "pair/own": np.mean(list(own.values()), axis=0),
        **{f"pair/own/{name}": r for name, r in own.items()},
        "pair/other_max": np.max(list(other.values()), axis=0),
        **{f"pair/other_max/{name}": r for name, r in other.items()},
    }


@dataclass(frozen=True)
class SharedPairs:
    """Pairs of rows that share a concept, by its name.

    Attributes:
        a, b: row numbers of both members [P].
        concept: the name of the concept that they share [P].
        alone: for each concept how many rows share it with no other original.
    """

    a: NDArray[np.int64]
    b: NDArray[np.int64]
    concept: NDArray[np.str_]
    alone: Mapping[str, int]


def shared_pairs(
    concepts: Mapping[str, NDArray[Any]], index: NDArray[np.intp], pairs_each: int, seed: int
) -> SharedPairs:
    """`pairs_each` pairs of each concept that has any: a uniform over rows with a partner, b uniform over a's partners.

    Args:
        concepts: categories [n] or values [n, D] by name; rows of equal values share the concept.
        index: original of each row [n], as from `original_index`.
        pairs_each: pairs of a concept.
        seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    nothing = np.empty(0, np.int64)
    drawn_a, drawn_b, names, alone = [nothing], [nothing], [], {}
    for name, concept in concepts.items():
        category = np.unique(concept, axis=0, return_inverse=True)[1].ravel()
        partners = Partners(category, index)
        alone[name] = partners.num_alone
        if not partners.num_rows:
            continue
        member = rng.integers(partners.num_rows, size=pairs_each)
        a, b = partners.spans.rows(member, rng.integers(partners.spans.num_partners[member]))
        drawn_a.append(a.astype(np.int64))
        drawn_b.append(b.astype(np.int64))
        names += [name] * pairs_each
    return SharedPairs(np.concatenate(drawn_a), np.concatenate(drawn_b), np.array(names), alone)
