"""Does setting a concept to a value do so: set it, decode, and ask a judge what it sees.

Such an edit needs no donor: the factor gets what the training rows of the wanted value have there. The field calls the
share of successes intervention success.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.behaviour.judged import Judged, harmonic_mean, is_classes, judged_rows, nearer
from pipeline.scores.statistics.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.statistics.score import SET, Score

__all__ = ["SetRows", "set_score"]

_NUM_PERMUTATIONS = 20


@dataclass(frozen=True, eq=False)
class SetRows:
    """What a judge sees where one concept is set to a value.

    Attributes:
        recipient: in the reconstructions of the images, for each concept integer classes [n] or float values [n, D].
        wanted: the value that the concept is set to, likewise [n] or [n, D].
        source: what it sees in the reconstructions of the images that the values are of; it says what a continuous
            value of another concept would be if that came along.
        changed: what it sees after the concept was set.
        originals: of the images [n]; None where each is its own.
    """

    recipient: Mapping[str, ArrayLike]
    wanted: ArrayLike
    source: Mapping[str, ArrayLike]
    changed: Mapping[str, ArrayLike]
    originals: ArrayLike | None = None


def set_score(rows: Mapping[str, SetRows], seed: int = 0, kind: str = SET) -> dict[str, Score]:
    """`set/score`, the harmonic mean of follow and stay, and what it is made of.

    `set/follow/<concept>`: of the images in which the judge saw another value of it, the share in which it sees the
    wanted one after the concept was set. `set/stay/<concept>`: the share of them in which it then sees the image's own
    value of every other concept. A continuous value follows when strictly nearer (Euclid) to the wanted one than to the
    image's, and stays when strictly nearer to the image's than to that of the image that the wanted value is of.
    `set/follow` and `set/stay` are means over concepts; where there is one concept alone, nothing else can stay, and
    the score is the follow.

    Each lies in [0, 1]; the scores are defined here. Intervals resample originals. Chance: each image gets the edited
    image of another. Perfect: the judge sees the wanted value, and all else as it was.

    Args:
        rows: by concept that is set; each with all the concepts that are judged.
        seed: of resamples and permutations.
        kind: what stands in place of `set`, where the concepts were changed in another way.

    Raises:
        ValueError: a concept is missing, or shapes and types disagree.
    """
    rng = np.random.default_rng(seed)
    counted = {concept: _Outcomes(concept, of_it) for concept, of_it in rows.items()}
    counted = {concept: of_it for concept, of_it in counted.items() if of_it.counts.any()}
    if not counted:
        return {}
    measured = {concept: of_it.sums(of_it.changed) for concept, of_it in counted.items()}
    ideal = {concept: of_it.sums(of_it.ideal) for concept, of_it in counted.items()}
    resampled = {concept: bootstrap_sums(sums, seed, counted[concept].originals) for concept, sums in measured.items()}
    permuted = {
        concept: np.stack([of_it.sums(of_it.other(rng)).sum(axis=0) for _ in range(_NUM_PERMUTATIONS)])
        for concept, of_it in counted.items()
    }
    value, perfect = (
        _summaries({concept: sums.sum(axis=0) for concept, sums in of_all.items()}, kind)
        for of_all in (measured, ideal)
    )
    resamples, chance = _summaries(resampled, kind), _summaries(permuted, kind)
    images = {f"{kind}/{part}/{concept}": of_it for concept, of_it in counted.items() for part in ("follow", "stay")}
    scores = {}
    for name, number in value.items():
        low, high = bootstrap_interval(resamples[name], float(number))
        details = {"images": int(images[name].counts.sum())} if name in images else {}
        scores[name] = Score(float(number), low, high, float(chance[name].mean()), float(perfect[name]), details)
    return scores


class _Outcomes:
    """Rows [n] in which a concept is set, and what counts as success."""

    def __init__(self, concept: str, rows: SetRows) -> None:
        self._concept, self._concepts = concept, tuple(rows.recipient)
        self._classes = {name: is_classes(seen) for name, seen in rows.recipient.items()}
        self._recipient, self._source, self.changed = (
            judged_rows(judged, f"{name}, '{concept}' set", rows.recipient, self._concepts)
            for name, judged in (("recipient", rows.recipient), ("source", rows.source), ("changed", rows.changed))
        )
        wanted = judged_rows({concept: rows.wanted}, "wanted", rows.recipient, (concept,))
        self.ideal = self._recipient | wanted
        self._wanted = wanted[concept]
        self.originals = rows.originals
        self.counts = (self._recipient[concept] != self._wanted).any(axis=1)

    def other(self, rng: np.random.Generator) -> Judged:
        """What the judge sees in the edited image of another row."""
        source = rng.permutation(len(self.counts))
        return {name: seen[source] for name, seen in self.changed.items()}

    def sums(self, seen: Judged) -> NDArray[np.float64]:
        """[n, 3]: whether the row counts, follows, and stays; [n, 2] where there is no other concept."""
        concept = self._concept
        follows = self._nearer(concept, seen, self._wanted, self._recipient[concept])
        columns = [self.counts, self.counts & follows]
        others = [name for name in self._concepts if name != concept]
        if others:
            columns.append(self.counts & np.logical_and.reduce([self._stays(name, seen) for name in others]))
        return np.stack(columns, axis=1).astype(np.float64)

    def _stays(self, concept: str, seen: Judged) -> NDArray[np.bool_]:
        """Whether another concept is seen as it was [n]; a value that the source has, too, can't tell, and does."""
        stays = self._nearer(concept, seen, self._recipient[concept], self._source[concept])
        if not self._classes[concept]:
            stays |= (self._recipient[concept] == self._source[concept]).all(axis=1)
        return stays

    def _nearer(
        self, concept: str, seen: Judged, wanted: NDArray[np.float64], other: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Whether what is seen is the wanted class, or nearer to the wanted value than to the other [n]."""
        return nearer(seen[concept], wanted, other, by_class=self._classes[concept])


def _summaries(sums: Mapping[str, NDArray[np.float64]], kind: str) -> dict[str, NDArray[np.float64]]:
    """Each summary [...] of summed rows [..., 3], or [..., 2], by concept."""
    count = {concept: np.maximum(of_it[..., 0], 1) for concept, of_it in sums.items()}
    follows = {f"{kind}/follow/{concept}": of_it[..., 1] / count[concept] for concept, of_it in sums.items()}
    three = {concept: of_it for concept, of_it in sums.items() if of_it.shape[-1] == 3}
    stays = {f"{kind}/stay/{concept}": of_it[..., 2] / count[concept] for concept, of_it in three.items()}
    follow = np.mean(list(follows.values()), axis=0)
    if not stays:
        return {f"{kind}/score": follow, f"{kind}/follow": follow, **follows}
    stay = np.mean(list(stays.values()), axis=0)
    score = harmonic_mean(follow, stay)
    return {f"{kind}/score": score, f"{kind}/follow": follow, **follows, f"{kind}/stay": stay, **stays}
