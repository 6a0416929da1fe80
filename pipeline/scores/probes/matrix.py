"""How well each factor predicts each concept, and what that says: own, gap, leaks.

Every cell of the matrix (factor × concept) is a probe's score out of fold: balanced accuracy corrected for chance,
(acc − 1/C) / (1 − 1/C), for classes, R² uniform over components for values, each at least 0. The summaries are one
function of a matrix, applied to the values, to each bootstrap resample (one set of originals for all cells, so the
gap is resampled jointly), to codes permuted against the labels (chance) and to a perfect code.

A cell lies in [0, 1], and so does each summary but `probe/gap`, in [−1, 1]. Probes: Alain and Bengio, Understanding
intermediate layers using linear classifier probes, 2016, arXiv 1610.01644; balanced accuracy: Brodersen et al., The
balanced accuracy and its posterior distribution, ICPR 2010. The summaries are defined here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.scores.probes.models import Kind, counting_unconverged, features_of, out_of_fold
from pipeline.scores.statistics.concepts import checked_codes
from pipeline.scores.statistics.intervals import bootstrap_interval, bootstrap_sums
from pipeline.scores.statistics.originals import original_index, permuted_rows, stratified_rows
from pipeline.scores.statistics.score import PROBE_GAP, PROBE_OWN, RESIDUAL_LEAK, Score, probe_cell
from pipeline.scores.statistics.targets import Classes, Fold, Values, folds_by_original, target_of

__all__ = ["ProbeMatrix", "gap_resamples", "matrix_scores", "probe_matrix", "probe_scores"]

_NUM_PERMUTATIONS: Mapping[Kind, int] = {"linear": 5, "rbf": 3}  # each refits every probe
_MANY_CONCEPTS = 10  # one permutation of so many gives as good a mean as five of two
_MAX_ROWS: Mapping[Kind, int] = {"linear": 10_000, "rbf": 2_000}  # a kernel of n rows costs n² memory, n³ time

_Columns = dict[str, NDArray[np.float64]]  # by concept, [..., F]


@dataclass(frozen=True)
class ProbeMatrix:
    """Scores of F factors (rows) on C concepts (columns).

    Attributes:
        kind: "linear" or "rbf".
        factors: F names, the residual first.
        concepts: C names.
        value: [F, C].
        resamples: [B, F, C], by the same resampled originals in each cell.
        permuted: [R, F, C], codes permuted against the labels by original.
        perfect: [F, C], factors that say their own concept and nothing else, the residual nothing at all.
        details: `subset_rows`, the rows that were drawn, where the probes did not get all of them; `unconverged`, how
            many fits, those for chance and perfect among them, stopped before their optimum, where some did.
    """

    kind: Kind
    factors: tuple[str, ...]
    concepts: tuple[str, ...]
    value: NDArray[np.float64]
    resamples: NDArray[np.float64]
    permuted: NDArray[np.float64]
    perfect: NDArray[np.float64]
    details: Mapping[str, str | int | float] = field(default_factory=dict)

    def cell(self, factor: str, concept: str) -> Score:
        """Score of one factor on one concept."""
        f, c = self.factors.index(factor), self.concepts.index(concept)
        value = float(self.value[f, c])
        low, high = bootstrap_interval(self.resamples[:, f, c], value)
        return Score(value, low, high, float(self.permuted[:, f, c].mean()), float(self.perfect[f, c]), self.details)

    def as_dict(self) -> dict[str, dict[str, dict[str, object]]]:
        """Each cell as plain numbers, under factor and then concept, as JSON holds them."""
        return {f: {c: self.cell(f, c).as_dict() for c in self.concepts} for f in self.factors}


def probe_matrix(
    codes: ArrayLike,
    concepts: Mapping[str, ArrayLike] | ArrayLike,
    layout: Layout,
    kind: Kind = "linear",
    groups: ArrayLike | None = None,
    seed: int = 0,
) -> ProbeMatrix:
    """Probe each factor for each concept, 5 folds by original.

    Chance is measured: the codes of whole originals are handed to other originals (all factors alike), labels and
    folds stay, and the probes are fitted anew, five times, or three with a kernel (once for ten concepts or more).
    Perfect is measured by the same probes and folds on a code whose factors are the labels themselves, one-hot or
    values, with a constant residual; so it is below 1 where a class has too few originals for five folds, and above 0
    elsewhere where two concepts go together.

    Linear probes see 10,000 rows at most and RBF ones 2,000, drawn by seed, by original and stratified over the
    classes (`stratified_rows`); the details then say so.

    Args:
        codes: [n, N].
        concepts: for each concept integer classes [n], or float values [n, D]; or an array [n, K] of one column a
            concept of the layout, in its order.
        layout: the factors of the codes.
        kind: "linear", or "rbf" for what a linear probe would miss.
        groups: original of each row [n]; None where each row is its own.
        seed: of folds, resamples and permutations.

    Raises:
        ValueError: if codes are not finite or of another width, a concept has one value only, or there are fewer
            than five originals.
    """
    code = checked_codes(codes, layout)
    named = _by_name(concepts, layout, len(code))
    if not named:
        raise ValueError("concepts: none is given; a probe needs at least one")
    if kind not in _MAX_ROWS:
        raise ValueError(f"kind: found '{kind}'; 'linear' and 'rbf' are known")
    index = original_index(groups, len(code))
    targets = {name: target_of(name, concept, len(code)) for name, concept in named.items()}
    details: dict[str, str | int | float] = {}
    if len(code) > _MAX_ROWS[kind]:
        classes = [target.truth for target in targets.values() if isinstance(target, Classes)]
        rows = stratified_rows(classes, index, _MAX_ROWS[kind], seed)
        code, index = code[rows], original_index(index[rows], len(rows))
        targets = {name: target_of(name, np.asarray(concept)[rows], len(rows)) for name, concept in named.items()}
        details = {"subset_rows": len(rows)}
    nothing = np.zeros((len(code), 1))
    ideal_factors = [targets[name].perfect_code() if name in targets else nothing for name in layout.names]
    rng = np.random.default_rng(seed)
    num_permutations = 1 if len(named) >= _MANY_CONCEPTS else _NUM_PERMUTATIONS[kind]
    sources = [permuted_rows(index, rng) for _ in range(num_permutations)]

    columns = []
    # One thread: the matrices are small, and BLAS threads that wait for a busy core take up to seven times as long.
    # What is fitted was checked above; to check it again takes a sixth of the time of a small probe.
    settings = config_context(assume_finite=True, skip_parameter_validation=True)
    with threadpool_limits(1), settings, counting_unconverged() as unconverged:
        features = [features_of(code[:, where], kind) for where in layout.slices]
        ideal_features = [features_of(ideal, kind) for ideal in ideal_factors]
        for target in targets.values():
            folds = folds_by_original(target, index, seed)
            sums = _sums(features, target, folds, kind)
            resampled = bootstrap_sums(sums.reshape(len(code), -1), seed, index).reshape(-1, *sums.shape[1:])
            permuted = [_sums(features, target, folds, kind, source).sum(axis=0) for source in sources]
            ideal = _sums(ideal_features, target, folds, kind).sum(axis=0)
            columns.append([sums.sum(axis=0), resampled, np.stack(permuted), ideal])
    if unconverged:
        details["unconverged"] = len(unconverged)
    value, resamples, chance, perfect = (
        np.stack(
            [target.score(column[part]) for target, column in zip(targets.values(), columns, strict=True)], axis=-1
        )
        for part in range(4)
    )
    return ProbeMatrix(kind, layout.names, tuple(targets), value, resamples, chance, perfect, details)


def _by_name(concepts: Mapping[str, ArrayLike] | ArrayLike, layout: Layout, num_rows: int) -> Mapping[str, ArrayLike]:
    """Concepts by name; the columns of a plain array get the names of the layout's concepts, in order."""
    if isinstance(concepts, Mapping):
        return concepts
    columns = np.asarray(concepts)
    expected = (num_rows, len(layout.concepts))
    if columns.shape != expected:
        raise ValueError(f"concepts: found shape {columns.shape}; one column a concept is expected, {expected}")
    return dict(zip(layout.concepts, columns.T, strict=True))


def _sums(
    features: list[NDArray[np.float64]],
    target: Classes | Values,
    folds: list[Fold],
    kind: Kind,
    source: NDArray[np.intp] | None = None,
) -> NDArray[np.float64]:
    """[n, F, M]: what the out-of-fold predictions from each of F factors add to the sums that `target` is scored by."""
    return np.stack([target.sums(out_of_fold(of_k, target, folds, kind, source)) for of_k in features], axis=1)


def matrix_scores(matrix: ProbeMatrix, layout: Layout) -> dict[str, Score]:
    """Each cell of a matrix under `probe/matrix/<factor>/<concept>`."""
    return {probe_cell(f, c): matrix.cell(f, c) for f in layout.names for c in layout.concepts}


def probe_scores(matrix: ProbeMatrix, layout: Layout, rbf: ProbeMatrix | None = None) -> dict[str, Score]:
    """Summaries of a matrix of linear probes, and of one of RBF probes where it is given, by name.

    `probe/own`: the own factor on its concept. `probe/gap`: own minus the best other factor, the residual included.
    `probe/other_max`: that best other factor; details name it for each concept. `probe/residual_leak`: the residual.
    `probe/leak_nonlinear`: the best other factor under the RBF probe. Each is a mean over concepts and, under
    `<name>/<concept>`, of each one. With no concept in the layout there is none.

    Args:
        matrix: of linear probes.
        layout: the factors, whose concepts are those of the means.
        rbf: matrix of RBF probes; without it there is no `probe/leak_nonlinear`.

    Raises:
        ValueError: if the matrices are not a linear and an RBF one of the layout's factors and concepts.
    """
    for kind, given in (("linear", matrix), ("rbf", rbf)):
        if given is not None and (
            given.kind != kind or given.factors != layout.names or not set(layout.concepts) <= set(given.concepts)
        ):
            raise ValueError(
                f"{kind} probes of {layout.names} on {layout.concepts} are expected; "
                f"found {given.kind} ones of {given.factors} on {given.concepts}"
            )
    if not layout.concepts:
        return {}
    value, resamples, permuted, perfect = (
        _summaries(of_linear, of_rbf, layout)
        for of_linear, of_rbf in zip(
            _parts(matrix, layout), [None] * 4 if rbf is None else _parts(rbf, layout), strict=True
        )
    )
    scores = {}
    for name, number in value.items():
        low, high = bootstrap_interval(resamples[name], float(number))
        source = rbf if rbf is not None and name.startswith("probe/leak_nonlinear") else matrix
        details = {**_best_other(name, matrix, layout), **source.details}
        scores[name] = Score(float(number), low, high, float(permuted[name].mean()), float(perfect[name]), details)
    return scores


def gap_resamples(linear: ProbeMatrix, layout: Layout) -> NDArray[np.float64]:
    """`probe/gap` of each bootstrap resample [B].

    Matrices of the same rows and seed are resampled by the same originals, so that two codes of the same rows can be
    compared by the interval of their difference, which is narrower than either's own.
    """
    return np.asarray(_summaries(_parts(linear, layout)[1], None, layout)[PROBE_GAP])


def _parts(matrix: ProbeMatrix, layout: Layout) -> list[_Columns]:
    """Scores [..., F] on each of the layout's concepts: of the code itself, resampled, permuted, perfect."""
    parts = (matrix.value, matrix.resamples, matrix.permuted, matrix.perfect)
    return [{c: cells[..., matrix.concepts.index(c)] for c in layout.concepts} for cells in parts]


def _summaries(linear: _Columns, rbf: _Columns | None, layout: Layout) -> dict[str, NDArray[np.float64]]:
    """Each summary [...] of the scores [..., F] on each concept, the mean over concepts before its parts."""

    def own(columns: _Columns, concept: str) -> NDArray[np.float64]:
        return columns[concept][..., layout.index(concept)]

    def other(columns: _Columns, concept: str) -> NDArray[np.float64]:
        return np.asarray(np.delete(columns[concept], layout.index(concept), axis=-1).max(axis=-1))

    by_concept = {
        PROBE_OWN: {c: own(linear, c) for c in layout.concepts},
        PROBE_GAP: {c: own(linear, c) - other(linear, c) for c in layout.concepts},
        "probe/other_max": {c: other(linear, c) for c in layout.concepts},
        RESIDUAL_LEAK: {c: linear[c][..., layout.index(RESIDUAL)] for c in layout.concepts},
    }
    if rbf is not None:
        by_concept["probe/leak_nonlinear"] = {c: other(rbf, c) for c in layout.concepts}
    summaries = {}
    for name, parts in by_concept.items():
        summaries[name] = np.mean(list(parts.values()), axis=0)
        summaries |= {f"{name}/{concept}": part for concept, part in parts.items()}
    return summaries


def _best_other(name: str, linear: ProbeMatrix, layout: Layout) -> dict[str, str]:
    """Under `factor` the name of the best other factor, where `name` is `probe/other_max/<concept>`."""
    concept = name.removeprefix("probe/other_max/")
    if concept == name:
        return {}
    column = linear.value[:, linear.concepts.index(concept)].copy()
    column[layout.index(concept)] = -1  # scores are at least 0
    return {"factor": layout.names[int(column.argmax())]}
