"""Does an edit do what its name says: swap a factor, decode, and ask a judge what it sees.

After swapping a concept's factor the judge should see the donor's value of that concept (follow) and the recipient's
of every other one (stay); after swapping the residual, the recipient's of all. What counts as the donor's and the
recipient's value is what the judge sees in their reconstructions, so neither its own mistakes nor those of the backbone
are held against the code.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.basis.layout import Layout
from pipeline.scores.behaviour.judged import Judged, harmonic_mean, is_classes, judged_rows, nearer
from pipeline.scores.statistics.intervals import bootstrap_interval, pair_bootstrap_sums, pair_originals
from pipeline.scores.statistics.score import SWAP_FOLLOW, SWAP_SCORE, Score

__all__ = ["swap_score"]

_NUM_PERMUTATIONS = 20

_Outcomes = dict[tuple[str, str], tuple[NDArray[np.bool_], NDArray[np.bool_]]]  # by (factor, concept): counts, succeeds


def swap_score(
    recipient: Mapping[str, ArrayLike],
    donor: Mapping[str, ArrayLike],
    swapped: Mapping[str, Mapping[str, ArrayLike]],
    layout: Layout,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> dict[str, Score]:
    """`swap/score`, the harmonic mean of follow and stay, and what it is made of.

    `swap/follow/<concept>`: share of pairs, among those whose references differ in the concept, in which the image
    with that factor swapped shows the donor's class. `swap/stay/<factor>/<concept>`: share of all pairs in which the
    image with `factor` swapped shows the recipient's class of another concept. A continuous value follows when strictly
    nearer (Euclid) to the donor's, stays when strictly nearer to the recipient's; pairs with equal references do not
    count. `swap/follow` is the mean over concepts, `swap/stay` over (factor, other concept). A share over no pair is
    left out, of the means as well; details give the number of pairs that count.

    Each lies in [0, 1]; the scores are defined here. Intervals resample the originals, the same for every share.
    Chance: each pair gets the swapped images of another pair. Perfect: the judge sees exactly the references. With no
    concept in the layout there is no score.

    Args:
        recipient, donor: what the judge sees in the reconstructions, for each concept integer classes [n] or float
            values [n, D].
        swapped: for each factor, residual included, what it sees after that factor was swapped.
        layout: the factors.
        seed: of resamples and permutations.
        groups: originals of recipient and donor of each pair [n, 2]; None where no two pairs share one.

    Raises:
        ValueError: if a factor or concept is missing, or shapes and types disagree.
    """
    missing = [name for name in layout.names if name not in swapped]
    if missing:
        raise ValueError(f"swapped: the factor '{missing[0]}' is missing; found {', '.join(swapped)}")
    if not layout.concepts:
        return {}
    to = judged_rows(recipient, "recipient", recipient, layout.concepts)
    frm = judged_rows(donor, "donor", recipient, layout.concepts)
    classes = {name: is_classes(recipient[name]) for name in layout.concepts}
    seen = {
        factor: judged_rows(swapped[factor], f"swapped '{factor}'", recipient, layout.concepts)
        for factor in layout.names
    }
    num_pairs = len(to[layout.concepts[0]])
    originals, num_originals = pair_originals(groups, num_pairs)
    ideal = {factor: {**to, factor: frm[factor]} if factor in frm else to for factor in layout.names}

    outcomes = _outcomes(to, frm, seen, classes)
    rng = np.random.default_rng(seed)
    chances = []
    for _ in range(_NUM_PERMUTATIONS):
        source = rng.permutation(num_pairs)
        other = {factor: {name: rows[source] for name, rows in judged.items()} for factor, judged in seen.items()}
        chances.append(_sums(_outcomes(to, frm, other, classes)).sum(axis=0))

    value = _summaries(_sums(outcomes).sum(axis=0), outcomes)
    resamples = _summaries(pair_bootstrap_sums(_sums(outcomes), originals, num_originals, seed), outcomes)
    chance = _summaries(np.stack(chances), outcomes)
    perfect = _summaries(_sums(_outcomes(to, frm, ideal, classes)).sum(axis=0), outcomes)
    scores = {}
    for name, number in value.items():
        if np.isnan(number):
            continue
        low, high = bootstrap_interval(resamples[name], float(number))
        counts = {_name(*key): {"pairs": int(counted.sum())} for key, (counted, _) in outcomes.items()}
        details = counts.get(name, {})
        scores[name] = Score(float(number), low, high, float(chance[name].mean()), float(perfect[name]), details)
    return scores


def _outcomes(to: Judged, frm: Judged, seen: dict[str, Judged], classes: Mapping[str, bool]) -> _Outcomes:
    """For each (swapped factor, concept) which pairs count [n] and which of them succeed [n]."""
    outcomes: _Outcomes = {}
    for factor, judged in seen.items():
        for concept, by_class in classes.items():
            wanted, other = (frm, to) if factor == concept else (to, frm)
            differs = (to[concept] != frm[concept]).any(axis=1)
            success = nearer(judged[concept], wanted[concept], other[concept], by_class=by_class)
            counted = np.ones_like(differs) if by_class and factor != concept else differs
            outcomes[factor, concept] = counted, counted & success
    return outcomes


def _sums(outcomes: _Outcomes) -> NDArray[np.float64]:
    """[n, 2 M]: for each of M (factor, concept), whether the pair counts, and whether it succeeds."""
    counted, success = zip(*outcomes.values(), strict=True)
    return np.stack([*counted, *success], axis=1).astype(np.float64)


def _name(factor: str, concept: str) -> str:
    """Name of the share of one (swapped factor, concept)."""
    return f"{SWAP_FOLLOW}/{concept}" if factor == concept else f"swap/stay/{factor}/{concept}"


def _summaries(sums: NDArray[np.float64], outcomes: _Outcomes) -> dict[str, NDArray[np.float64]]:
    """Each summary [...] of summed rows [..., 2 M]; NaN where no pair counts."""
    counted, success = np.split(sums, 2, axis=-1)
    shares = np.where(counted > 0, success / np.where(counted > 0, counted, 1), np.nan)
    by_key = {key: shares[..., number] for number, key in enumerate(outcomes)}
    follows = {_name(*key): share for key, share in by_key.items() if key[0] == key[1]}
    stays = {_name(*key): share for key, share in by_key.items() if key[0] != key[1]}
    follow, stay = _mean(list(follows.values())), _mean(list(stays.values()))
    return {SWAP_SCORE: harmonic_mean(follow, stay), SWAP_FOLLOW: follow, **follows, "swap/stay": stay, **stays}


def _mean(shares: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Mean [...] of the shares that are known; NaN where none is."""
    stacked = np.stack(shares)
    counted = ~np.isnan(stacked)
    count = counted.sum(axis=0)
    return np.where(count > 0, np.where(counted, stacked, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
