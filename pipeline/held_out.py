"""What a flow does on held-out rows, as cheaply as training can ask for it: gap of ridge probes, gain over a Gaussian.

The probes are those of `pipeline.scores` but for what is fitted: classes by ridge regression on one-hot labels, weighed
so that each class counts alike (scikit-learn's RidgeClassifier), which has a closed form, in place of a logistic one.
Concepts of one kind share their folds, and with them all of a fit that does not depend on the concept.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.flow import ClosedForm, latent_nats
from pipeline.scores.statistics.intervals import bootstrap_counts
from pipeline.scores.statistics.originals import original_index, original_sums, stratified_rows
from pipeline.scores.statistics.targets import NUM_FOLDS, Classes, Fold, Values, folds_by_original, target_of
from pipeline.tables.latents import Latents

__all__ = ["Held", "HeldOutRows", "ridge_predictions", "why_no_probe"]

MOST_ROWS = 2048
NUM_RESAMPLES = 200  # a standard error of the gap from so many is off by a twentieth
ALPHA = 1.0  # of a ridge, as of the probes of `pipeline.scores`


@dataclass(frozen=True)
class Held:
    """What held-out rows say of a flow.

    Attributes:
        gap: `probe/gap` by ridge probes; 0 where no probe can be fitted.
        gap_resamples: its bootstrap resamples [200], by the same originals for every flow.
        gain: held-out nats a latent under the closed form, which is a Gaussian, minus those under T.
        gain_error: standard error of that paired difference, by original.
    """

    gap: float
    gap_resamples: NDArray[np.float64]
    gain: float
    gain_error: float


class HeldOutRows:
    """The validation rows on a device, 2,048 at most; draws, folds and resamples are those of the seed.

    Args:
        latents: of the validation split.
        closed_form: of the training rows; what the gain is over.
        layout: the factors.
        seed: the study's.
        device: of the flow.
    """

    def __init__(
        self, latents: Latents, closed_form: ClosedForm, layout: Layout, seed: int, device: torch.device
    ) -> None:
        rows = stratified_rows([], original_index(latents.original, len(latents)), MOST_ROWS, seed)
        self._index = original_index(latents.original[rows], len(rows))
        rng = np.random.default_rng(draw_seed(seed, "val/gain"))
        self._z = torch.from_numpy(latents.draw(rng, rows)).to(device)
        probed = _probed(latents, seed)
        self._mean = torch.from_numpy(latents.mean[probed]).to(device)
        index = original_index(latents.original[probed], len(probed))
        self._targets = [] if why_no_probe(latents, seed) else _targets(latents, probed)
        self._kinds = _kinds(self._targets, index, seed)
        self._counts = _counts(index, seed)
        self._set(closed_form, layout)

    def of(self, closed_form: ClosedForm, layout: Layout) -> "HeldOutRows":
        """The same rows for a flow of other factors, without making anew what does not depend on them."""
        other = copy.copy(self)
        other._set(closed_form, layout)
        return other

    def _set(self, closed_form: ClosedForm, layout: Layout) -> None:
        self._layout = layout
        self._closed_form_nats = latent_nats(
            closed_form.codes(self._z.cpu()).double(), torch.tensor(closed_form.log_abs_det, dtype=torch.float64)
        )

    @property
    def can_be_probed(self) -> bool:
        """Whether there is a gap to measure."""
        return bool(self._targets)

    @torch.no_grad()
    def figures(self, flow: nn.Module) -> Held:
        """What the rows say of `flow`; NaN throughout where it gives a row no finite code or nats."""
        nats = latent_nats(*flow(self._z)).cpu().double()
        code = flow(self._mean)[0] if self.can_be_probed else self._mean
        if not (nats.isfinite().all() and code.isfinite().all()):
            return Held(np.nan, np.full(NUM_RESAMPLES, np.nan), np.nan, np.nan)
        difference = (self._closed_form_nats - nats).numpy()
        gain, count = float(difference.mean()), len(difference)
        spread = original_sums((difference - gain)[:, None], self._index)
        gap = self._gap(code) if self.can_be_probed else np.zeros(1 + NUM_RESAMPLES)
        return Held(float(gap[0]), gap[1:], gain, float(np.sqrt(np.square(spread).sum())) / count)

    def _gap(self, code: Tensor) -> NDArray[np.float64]:
        """`probe/gap`, and that of each resample [1 + B]."""
        sizes, slices = self._layout.sizes, self._layout.slices
        predicted: dict[int, dict[int, NDArray[Any]]] = {number: {} for number in range(1, 1 + len(self._targets))}
        for numbers, folds in self._kinds:
            targets = [self._targets[number - 1] for number in numbers]
            for size in set(sizes):
                alike = [k for k, other in enumerate(sizes) if other == size]
                codes = torch.stack([code[:, slices[k]] for k in alike])
                for number, found in zip(numbers, ridge_predictions(codes, targets, folds), strict=True):
                    predicted[number] |= zip(alike, found, strict=True)
        gaps = []
        for number, by_factor in predicted.items():
            target = self._targets[number - 1]
            scores = target.score(_sums(target, np.stack([by_factor[k] for k in range(len(sizes))]), self._counts))
            gaps.append(scores[:, number] - np.delete(scores, number, axis=1).max(axis=1))
        return np.asarray(np.mean(gaps, axis=0))


def ridge_predictions(codes: Tensor, targets: Sequence[Classes | Values], folds: list[Fold]) -> list[NDArray[Any]]:
    """Prediction of each row by the ridge that was fitted without its fold, of each target: class numbers [F, n], or
    values [F, n, D].

    Args:
        codes: of F factors of one size [F, n, N_k], on any device; standardised on the rows fitted to.
        targets: what is predicted: all classes, or all values.
        folds: as from `folds_by_original`.
    """
    x = codes.double()
    wanted = [torch.from_numpy(target.perfect_code()).to(x) for target in targets]
    found = x.new_zeros(*x.shape[:2], sum(y.shape[1] for y in wanted))  # of all targets beside each other
    for fitted, held in (map(torch.from_numpy, fold) for fold in folds):
        known, asked = x[:, fitted], x[:, held]
        loc, scale = known.mean(dim=1, keepdim=True), known.std(dim=1, correction=0, keepdim=True)
        scale = torch.where(scale > 0, scale, 1.0)
        known, asked = ((known - loc) / scale).mT.contiguous(), (asked - loc) / scale
        plain = known @ known.mT
        truths = [_truth(y[fitted], isinstance(target, Classes)) for target, y in zip(targets, wanted, strict=True)]
        weighed = [torch.cat([truth.weight, truth.weight * truth.centred], dim=1) for truth in truths]
        moments = (known @ torch.cat(weighed, dim=1)).split([columns.shape[1] for columns in weighed], dim=2)
        fits = [_ridge(known, plain, truth, moment) for truth, moment in zip(truths, moments, strict=True)]
        slope, offset = (torch.cat(columns, dim=2) for columns in zip(*fits, strict=True))
        found[:, held] = asked @ slope + offset
    each = found.split([y.shape[1] for y in wanted], dim=2)
    chosen = [_largest(y) if isinstance(target, Classes) else y for target, y in zip(targets, each, strict=True)]
    return [prediction.cpu().numpy() for prediction in chosen]


def _largest(y: Tensor) -> Tensor:
    """Number of the largest of the last dimension; of two a comparison says it in a sixth of the time."""
    return (y[..., 1] > y[..., 0]).long() if y.shape[-1] == 2 else y.argmax(dim=-1)


@dataclass(frozen=True)
class _Truth:
    """What a ridge is fitted to: weight of each row [m, 1], 1 on average, weighted mean [C], truth less that [m, C]."""

    weight: Tensor
    mean: Tensor
    centred: Tensor


def _truth(truth: Tensor, classes: bool) -> _Truth:
    """Of `truth` [m, C]; the rows of each class, where it is of classes, weigh alike together."""
    share = truth / truth.sum(dim=0).clamp(min=1) if classes else torch.ones_like(truth)
    weight = share.sum(dim=1, keepdim=True) / share.sum() * len(truth)
    mean = (weight * truth).mean(dim=0)
    return _Truth(weight, mean, truth - mean)


def _ridge(known: Tensor, plain: Tensor, truth: _Truth, moments: Tensor) -> tuple[Tensor, Tensor]:
    """Slope [F, N_k, C] and offset [F, 1, C] of the ridge from codes to the truth.

    Rows of the largest class weigh least. That weight times `plain` is common to all rows; the others add the rest.

    Args:
        known: the codes [F, N_k, m], of mean 0.
        plain: known @ known.mT.
        truth: of their rows.
        moments: known @ the weight and the weighted truth of each row [F, N_k, 1 + C].
    """
    weight, least, num_rows = truth.weight[:, 0], truth.weight.min(), len(truth.weight)
    heavier = (weight > least).nonzero()[:, 0]
    rest = known.index_select(2, heavier)
    centre = moments[..., :1] / num_rows
    gram = least * plain + (rest * (weight[heavier] - least)) @ rest.mT - num_rows * centre @ centre.mT
    gram.diagonal(dim1=1, dim2=2).add_(ALPHA)
    slope = torch.cholesky_solve(moments[..., 1:], torch.linalg.cholesky(gram))
    return slope, truth.mean - centre.mT @ slope


def _kinds(targets: list[Classes | Values], index: NDArray[np.intp], seed: int) -> list[tuple[list[int], list[Fold]]]:
    """Numbers of the concepts of each kind, from 1, and their folds: those of the one of most classes."""
    kinds = []
    for kind in (Classes, Values):
        numbers = [number for number, target in enumerate(targets, start=1) if isinstance(target, kind)]
        if numbers:
            most = max(numbers, key=lambda number: targets[number - 1].perfect_code().shape[1])
            kinds.append((numbers, folds_by_original(targets[most - 1], index, seed)))
    return kinds


def _counts(index: NDArray[np.intp], seed: int) -> NDArray[np.float32]:
    """How often each row is in all of them, once, and in each resample [n, 1 + B]."""
    if not len(index):
        return np.zeros((0, 1 + NUM_RESAMPLES), np.float32)
    num_originals = int(index.max()) + 1
    drawn = bootstrap_counts(num_originals, seed, NUM_RESAMPLES)
    counts = np.concatenate([np.ones((1, num_originals)), *drawn])
    return np.ascontiguousarray(counts.T[index], dtype=np.float32)


def _sums(target: Classes | Values, prediction: NDArray[Any], counts: NDArray[np.float32]) -> NDArray[np.float64]:
    """What `target.score` reads of F factors and R resamples [R, F, M].

    Args:
        target: the concept.
        prediction: by each factor [F, n], or [F, n, D].
        counts: how often each row is in a resample [n, R].
    """
    if isinstance(target, Values):
        rows = np.stack([target.sums(by_factor) for by_factor in prediction], axis=1)  # [n, F, M]
        flat = counts.T.astype(np.float64) @ rows.reshape(len(rows), -1)
        return np.asarray(flat.reshape(-1, *rows.shape[1:]))
    hits = (prediction == target.truth).T.astype(np.float32)  # sums of whole numbers, which float32 holds
    sums = np.empty((counts.shape[1], hits.shape[1], 2, target.num_classes))
    for number in range(target.num_classes):
        own = target.truth == number
        sums[:, :, 0, number] = counts[own].T @ hits[own]
        sums[:, :, 1, number] = counts[own].sum(axis=0)[:, None]
    return sums.reshape(*sums.shape[:2], -1)


def why_no_probe(latents: Latents, seed: int) -> str:
    """Why no probe can be fitted to these validation rows, or nothing: then held-out nats alone choose a step."""
    if not latents.labels:
        return "there is no concept that a probe could read"
    rows = _probed(latents, seed)
    num_originals = len(np.unique(latents.original[rows]))
    if num_originals < NUM_FOLDS:
        known = {name: len(np.unique(latents.original[column >= 0])) for name, column in latents.labels.items()}
        fewest = min(known, key=lambda name: known[name])
        return (
            f"{num_originals} originals have a value in every concept (in '{fewest}' {known[fewest]}, the fewest), and "
            f"a probe needs {NUM_FOLDS}"
        )
    for name, values in latents.targets().items():
        if (values[rows] == values[rows[0]]).all():
            return f"'{name}' has one value alone where every concept has one, and a probe needs two"
    return ""


def _probed(latents: Latents, seed: int) -> NDArray[np.int64]:
    """Rows that have a value in every concept, 2,048 at most, so drawn that no class is lost."""
    complete = latents.complete()
    classes = [column[complete] for name, column in latents.labels.items() if name not in latents.values]
    return complete[
        stratified_rows(classes, original_index(latents.original[complete], len(complete)), MOST_ROWS, seed)
    ]


def _targets(latents: Latents, rows: NDArray[np.int64]) -> list[Classes | Values]:
    """What is predicted of each concept."""
    return [target_of(name, values[rows], len(rows)) for name, values in latents.targets().items()]
