"""A train half and a test half of one table, for the scores that fit a model and ask it about other rows.

Both halves are kept in one table, the train rows first, so that one list of row numbers leaves originals out of both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.scores.literature.plug_in import checked_table, listed, notes_on
from pipeline.scores.statistics.concepts import perfect_code, varying_concepts
from pipeline.scores.statistics.originals import original_index, original_sums, permuted_rows

__all__ = ["Halves", "checked_halves", "halves_of", "split_rows"]


@dataclass(frozen=True)
class Halves:
    """n train rows and, after them, m test rows.

    Attributes:
        code: [n + m, N], N at least 2: a code of one dimension has a constant one beside it.
        concepts: those that vary over both halves, categories [n + m] or values [n + m, D].
        index: original of each row [n + m], as from `original_index`; none is in both halves.
        num_train: n.
        notes: what is constant, and classes without a train row, for the details of a score.
    """

    code: NDArray[np.float64]
    concepts: Mapping[str, NDArray[Any]]
    index: NDArray[np.intp]
    num_train: int
    notes: Mapping[str, str | int]

    def train(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The train part of what has one row for each row of the table."""
        return rows[: self.num_train]

    def test(self, rows: NDArray[Any]) -> NDArray[Any]:
        """The test part of what has one row for each row of the table."""
        return rows[self.num_train :]

    def of_rows(self, rows: NDArray[np.intp]) -> "Halves":
        """Both halves without the rows that are not in `rows`, sorted numbers."""
        concepts = {name: concept[rows] for name, concept in self.concepts.items()}
        num_train = int((rows < self.num_train).sum())
        return replace(self, code=self.code[rows], concepts=concepts, index=self.index[rows], num_train=num_train)

    def permuted(self, rng: np.random.Generator) -> "Halves":
        """Codes handed to other originals of the same half."""
        rows = [
            first + permuted_rows(original_index(index, len(index)), rng)
            for first, index in ((0, self.train(self.index)), (self.num_train, self.test(self.index)))
            if len(index)
        ]
        return replace(self, code=self.code[np.concatenate(rows)])

    def perfect(self, seed: int) -> "Halves":
        """A code made of the labels, one dimension for each concept or component of values; noise beside a single one.

        Not a constant dimension, as beside a code: a model of it says the commonest class, which noise may not reach.
        """
        code = perfect_code(self.concepts)
        if code.shape[1] == 1:
            code = np.hstack([code, np.random.default_rng(seed).normal(size=code.shape)])
        return replace(self, code=code)


def checked_halves(
    codes_train: ArrayLike,
    concepts_train: Mapping[str, ArrayLike] | ArrayLike,
    codes_test: ArrayLike,
    concepts_test: Mapping[str, ArrayLike] | ArrayLike,
    groups: ArrayLike | None,
) -> Halves:
    """The halves, with the concepts that vary in the two together.

    Args:
        codes_train, codes_test: [n, N], [m, N].
        concepts_train, concepts_test: of both, as `as_concepts` reads them.
        groups: original of each row, train rows first, [n + m]; None where each row is its own.

    Raises:
        ValueError: if codes are not finite or of two widths, a concept is none or is not the same kind in both halves,
            or an original has rows in both.
    """
    code_train, known_train = checked_table(codes_train, concepts_train, "codes_train")
    code_test, known_test = checked_table(codes_test, concepts_test, "codes_test")
    if code_train.shape[1] != code_test.shape[1]:
        raise ValueError(f"codes_test: found {code_test.shape[1]} dimensions; codes_train has {code_train.shape[1]}")
    kinds = [{name: c.shape[1:] for name, c in half.items()} for half in (known_train, known_test)]
    if kinds[0] != kinds[1]:
        raise ValueError(
            f"concepts_test: found {_kinds(known_test)}; those of concepts_train, {_kinds(known_train)}, are expected"
        )
    code = np.concatenate([code_train, code_test])
    concepts = {name: np.concatenate([known_train[name], known_test[name]]) for name in known_train}
    return halves_of(code, concepts, groups, len(code_train))


def halves_of(
    code: NDArray[np.float64], concepts: Mapping[str, NDArray[Any]], groups: ArrayLike | None, num_train: int
) -> Halves:
    """Halves of a checked table [n, N] whose first `num_train` rows are the train rows: 0 where nothing is fitted.

    Raises:
        ValueError: if an original has rows in both halves.
    """
    index = original_index(groups, len(code))
    if both := np.intersect1d(index[:num_train], index[num_train:]).tolist():
        original = np.unique(np.asarray(groups))[both[0]]
        raise ValueError(
            f"groups: original {original} has rows in both halves; a model would be asked what it was told"
        )
    varying = varying_concepts(concepts)
    notes: dict[str, str | int] = {**notes_on(code, concepts, binned=False)}
    if num_train:
        notes |= {"train_rows": num_train, "test_rows": len(code) - num_train}
    if missing := _missing(varying, num_train):
        notes["classes_without_train_row"] = listed(missing)
    return Halves(_at_least_two(code), varying, index, num_train, notes)


def _kinds(concepts: Mapping[str, NDArray[Any]]) -> str:
    """Names and kinds of concepts, for an error."""
    return ", ".join(
        f"{name} ({c.shape[1]} values)" if c.ndim == 2 else f"{name} (class)" for name, c in concepts.items()
    )


def _missing(concepts: Mapping[str, NDArray[Any]], num_train: int) -> list[str]:
    """Classes that have test rows alone, as 'digit 7'."""
    categories = {name: concept for name, concept in concepts.items() if concept.ndim == 1}
    return [
        f"{name} {category}"
        for name, concept in categories.items()
        for category in np.setdiff1d(concept[num_train:], concept[:num_train])
    ]


def _at_least_two(code: NDArray[np.float64]) -> NDArray[np.float64]:
    """The code, with a constant dimension beside a single one: a gap needs something to be compared with."""
    return code if code.shape[1] > 1 else np.hstack([code, np.zeros_like(code)])


def split_rows(
    concepts: Mapping[str, NDArray[Any]], index: NDArray[np.intp], seed: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows of a train half and of a test half, sorted, by original, classes shared as evenly as that allows.

    Originals are dealt one by one, those with the rarest class first, each to the half that lacks its classes more
    (Sechidis et al., On the stratification of multi-label data, ECML PKDD 2011). So a class of two originals has one
    in each half, whatever the other concepts; equal halves are chosen between by seed.

    Args:
        concepts: as from `as_concepts`; values are not stratified.
        index: original of each row [n], as from `original_index`, at least 4 of them.
        seed: of the deal.

    Raises:
        ValueError: if there are fewer than 4 originals.
    """
    num_groups = int(index.max()) + 1
    if num_groups < 4:
        raise ValueError(f"groups: found {num_groups} originals; at least 4 are needed, two in each half")
    rng = np.random.default_rng(seed)
    members = [np.ones((len(index), 1))]
    for concept in concepts.values():
        if concept.ndim == 1:
            categories, place = np.unique(concept, return_inverse=True)
            members.append(np.eye(len(categories))[place])
    rows = original_sums(np.hstack(members), index)
    rows /= rows.sum(axis=0)  # a rare class weighs as much as a common one
    rarest = rows.max(axis=1)
    lead = np.zeros(rows.shape[1])
    in_train = np.zeros(num_groups, dtype=bool)
    for group in np.lexsort([rng.permutation(num_groups), -rarest]):
        ahead = rows[group] @ lead
        chosen = ahead < 0 if abs(ahead) > 1e-12 else rng.random() < 0.5
        in_train[group] = chosen
        lead += rows[group] if chosen else -rows[group]
    for wanted in (True, False):  # two originals in each half, even where copies are many
        lacking = 2 - int((in_train == wanted).sum())
        if lacking > 0:
            in_train[rng.choice(np.flatnonzero(in_train != wanted), lacking, replace=False)] = wanted
    of_train = in_train[index]
    return np.flatnonzero(of_train), np.flatnonzero(~of_train)
