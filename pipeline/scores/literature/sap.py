"""Separated attribute predictability: does one dimension predict a concept better than any other one does?

For each concept the best score of a single dimension minus the second best; the mean over concepts. Kumar, Sattigeri
and Balakrishnan, Variational inference of disentangled latent concepts from unlabeled observations, ICLR 2018, arXiv
1711.00848, section 3, with the models of disentanglement_lib: accuracy of a linear support vector machine with C = .01
and balanced classes on test rows, or the squared correlation of values. The machine sees the code in its own units,
and with one threshold a class, so that it tells few of many classes apart by one dimension.
"""

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.scores.literature.halves import Halves, checked_halves, halves_of
from pipeline.scores.literature.plug_in import checked_table
from pipeline.scores.statistics.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.statistics.originals import original_index
from pipeline.scores.statistics.score import Score

__all__ = ["sap"]

_NUM_PERMUTATIONS = 3  # each refits a machine for every dimension and concept
_NO_SPREAD = 1e-9  # of standardised numbers: a resample that repeats one value


def sap(
    codes_train: ArrayLike,
    concepts_train: Mapping[str, ArrayLike] | ArrayLike,
    codes_test: ArrayLike | None = None,
    concepts_test: Mapping[str, ArrayLike] | ArrayLike | None = None,
    continuous: bool = False,
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> Score | None:
    """`per_dimension/sap`, between 0 and 1, or None where every concept is constant.

    Chance: near 0, above it at few rows. Perfect: at most 1; for classes 1 minus what a dimension without knowledge
    scores, about 1 − 1/C where the machine tells all apart, less for several classes in one dimension. Values are
    scored by the squared correlation in the test rows, mean over components. A code of one dimension is compared with
    a constant one; a class without a train row is never predicted. Details: `concept/<name>`, the gap of each; what is
    constant, and left out. Seven parameters: the two halves are plain arrays, as in the code of others, with which this
    compares.

    Args:
        codes_train, codes_test: [n, N], [m, N].
        concepts_train, concepts_test: by name integer categories or float values, or one array.
        continuous: take every concept, categories too, as values; needs no test half, and scores all rows.
        groups: original of each row, train rows first, for resamples and permutations; None where each row is its own.
        seed: of both.

    Raises:
        ValueError: if a test half is missing or not wanted, codes are not finite, the halves do not match, or an
            original is in both.
    """
    if continuous:
        if codes_test is not None or concepts_test is not None:
            raise ValueError("codes_test: continuous concepts are scored on all rows; no test half is expected")
        code, concepts = checked_table(codes_train, concepts_train)
        values = {name: concept.reshape(len(code), -1).astype(np.float64) for name, concept in concepts.items()}
        halves = halves_of(code, values, groups, num_train=0)
    else:
        if codes_test is None or concepts_test is None:
            raise ValueError("codes_test: none is given; classes are scored on a test half")
        halves = checked_halves(codes_train, concepts_train, codes_test, concepts_test, groups)
    return _score(halves, seed) if halves.concepts else None


def _score(halves: Halves, seed: int) -> Score:
    """The gap with its bracket; resamples are of the originals of the test half."""
    rng = np.random.default_rng(seed)
    rows = _rows(halves, seed)
    index = original_index(halves.test(halves.index), len(halves.test(halves.index)))
    names = list(rows)
    widths = np.cumsum([rows[name].shape[1] for name in names])[:-1]
    resampled = np.split(bootstrap_sums(np.hstack(list(rows.values())), seed, index), widths, axis=1)
    resamples = np.mean(
        [_gap(sums, halves.concepts[name]) for name, sums in zip(names, resampled, strict=True)], axis=0
    )
    gaps = _gaps(rows, halves)
    value = float(np.mean(list(gaps.values())))
    low, high = bootstrap_interval(resamples, value)
    chance = [
        np.mean(list(_gaps(_rows(halves.permuted(rng), seed), halves).values())) for _ in range(_NUM_PERMUTATIONS)
    ]
    perfect = np.mean(list(_gaps(_rows(halves.perfect(seed), seed), halves).values()))
    details = {**{f"concept/{name}": gap for name, gap in gaps.items()}, **halves.notes}
    return Score(value, low, high, float(np.mean(chance)), float(perfect), details)


def _gaps(rows: Mapping[str, NDArray[np.float64]], halves: Halves) -> dict[str, float]:
    """The gap of each concept over all rows."""
    return {name: float(_gap(part.sum(axis=0), halves.concepts[name])) for name, part in rows.items()}


def _rows(halves: Halves, seed: int) -> dict[str, NDArray[np.float64]]:
    """For each concept what each test row adds to the sums [M] that `_gap` reads."""
    with threadpool_limits(1):
        return {
            name: _hits(halves, concept, seed) if concept.ndim == 1 else _moments(halves, concept)
            for name, concept in halves.concepts.items()
        }


def _hits(halves: Halves, concept: NDArray[np.int64], seed: int) -> NDArray[np.float64]:
    """[m, N + 1]: whether the machine of each dimension is right, and a one."""
    truth_train, truth_test = halves.train(concept), halves.test(concept)
    right = np.ones((len(truth_test), halves.code.shape[1] + 1))
    for dim in range(halves.code.shape[1]):
        if (truth_train == truth_train[0]).all():
            right[:, dim] = truth_test == truth_train[0]  # no machine can be fitted to a single class
            continue
        machine = LinearSVC(C=0.01, class_weight="balanced", random_state=seed % 2**32)
        with warnings.catch_warnings():  # far from its optimum in a dimension of huge numbers, and no worse for that
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(halves.train(halves.code)[:, [dim]], truth_train)
        right[:, dim] = machine.predict(halves.test(halves.code)[:, [dim]]) == truth_test
    return right


def _moments(halves: Halves, concept: NDArray[np.float64]) -> NDArray[np.float64]:
    """[m, D N + 2 D + 2 N + 1]: products, values and their squares, code and its squares, and a one."""
    value, code = (StandardScaler().fit_transform(halves.test(numbers)) for numbers in (concept, halves.code))
    products = (value[:, :, None] * code[:, None, :]).reshape(len(code), -1)
    return np.hstack([products, value, value**2, code, code**2, np.ones((len(code), 1))])


def _gap(sums: NDArray[np.float64], concept: NDArray[Any]) -> NDArray[np.float64]:
    """Best dimension minus the second best [...], mean over components, of summed rows [..., M]."""
    count = sums[..., -1:]
    if concept.ndim == 1:
        score = (sums[..., :-1] / count)[..., None, :]
    else:
        num_values = concept.shape[1]
        num_dims = (sums.shape[-1] - 1 - 2 * num_values) // (num_values + 2)
        parts = np.split(
            sums[..., :-1] / count, np.cumsum([num_values * num_dims, num_values, num_values, num_dims]), -1
        )
        product, value, value_square, code, code_square = parts
        product = product.reshape(*product.shape[:-1], num_values, num_dims) - value[..., :, None] * code[..., None, :]
        spread = (value_square - value**2)[..., :, None] * (code_square - code**2)[..., None, :]
        varies = spread > _NO_SPREAD
        score = np.where(varies, product**2 / np.where(varies, spread, 1), 0)
    second, first = np.moveaxis(np.sort(score, axis=-1)[..., -2:], -1, 0)
    return np.asarray((first - second).mean(axis=-1))
