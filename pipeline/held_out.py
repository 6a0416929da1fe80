"""What a flow does on held-out rows, as cheaply as training can ask for it: gap of ridge probes, gain over a Gaussian.

The probes are those of `pipeline.scores` but for what is fitted: classes by ridge regression on one-hot labels, weighed
so that each class counts alike (scikit-learn's RidgeClassifier), which has a closed form, in place of a logistic one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.flow import ClosedForm, latent_nats
from pipeline.scores.probes.models import NUM_FOLDS, Classes, Fold, Values, folds_by_original, target_of
from pipeline.scores.statistics.intervals import bootstrap_sums
from pipeline.scores.statistics.originals import original_index, original_sums, stratified_rows
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
        self._layout, self._seed = layout, seed
        rows = stratified_rows([], original_index(latents.original, len(latents)), MOST_ROWS, seed)
        self._index = original_index(latents.original[rows], len(rows))
        rng = np.random.default_rng(draw_seed(seed, "val/gain"))
        self._z = torch.from_numpy(latents.draw(rng, rows)).to(device)
        self._closed_form_nats = latent_nats(
            closed_form.codes(self._z.cpu()).double(), torch.tensor(closed_form.log_abs_det, dtype=torch.float64)
        )
        probed = np.intersect1d(rows, latents.complete())
        self._mean = torch.from_numpy(latents.mean[probed]).to(device)
        self._probed_index = original_index(latents.original[probed], len(probed))
        self._targets = _targets(latents, probed)
        self._folds = [folds_by_original(target, self._probed_index, seed) for target in self._targets]

    @torch.no_grad()
    def figures(self, flow: nn.Module) -> Held:
        """What the rows say of `flow`."""
        code, log_abs_det = flow(self._z)
        difference = (self._closed_form_nats - latent_nats(code, log_abs_det).cpu().double()).numpy()
        gain, count = float(difference.mean()), len(difference)
        spread = original_sums((difference - gain)[:, None], self._index)
        gap = self._gap(flow(self._mean)[0]) if self._targets else np.zeros(1 + NUM_RESAMPLES)
        return Held(float(gap[0]), gap[1:], gain, float(np.sqrt(np.square(spread).sum())) / count)

    def _gap(self, code: Tensor) -> NDArray[np.float64]:
        """`probe/gap`, and that of each resample [1 + B]."""
        gaps = []
        for number, (target, folds) in enumerate(zip(self._targets, self._folds, strict=True), start=1):
            found: dict[int, NDArray[np.float64]] = {}
            for size in set(self._layout.sizes):
                alike = [k for k, other in enumerate(self._layout.sizes) if other == size]
                codes = torch.stack([code[:, self._layout.slices[k]] for k in alike])
                for k, prediction in zip(alike, ridge_predictions(codes, target, folds), strict=True):
                    found[k] = target.sums(prediction)
            sums = np.stack([found[k] for k in range(self._layout.num_factors)], axis=1)  # [n, F, M]
            flat = bootstrap_sums(sums.reshape(len(sums), -1), self._seed, self._probed_index, NUM_RESAMPLES)
            scores = target.score(np.concatenate([sums.sum(axis=0)[None], flat.reshape(-1, *sums.shape[1:])]))
            gaps.append(scores[:, number] - np.delete(scores, number, axis=1).max(axis=1))
        return np.asarray(np.mean(gaps, axis=0))


def ridge_predictions(codes: Tensor, target: Classes | Values, folds: list[Fold]) -> NDArray[Any]:
    """Prediction of each row by the ridge that was fitted without its fold: class numbers [F, n], or values [F, n, D].

    Args:
        codes: of F factors of one size [F, n, N_k], on any device; standardised on the rows fitted to.
        target: what is predicted.
        folds: as from `folds_by_original`.
    """
    classes = isinstance(target, Classes)
    wanted = np.eye(target.num_classes)[target.truth] if isinstance(target, Classes) else target.truth
    x, y = codes.double(), torch.from_numpy(wanted).to(codes.device)
    found = y.new_zeros(len(x), *y.shape)
    for fitted, held in (map(torch.from_numpy, fold) for fold in folds):
        known, asked, truth = x[:, fitted], x[:, held], y[fitted]
        share = truth / truth.sum(dim=0).clamp(min=1) if classes else torch.ones_like(truth)
        weight = share.sum(dim=1, keepdim=True) / share.sum() * len(truth)  # of each row [m, 1], 1 on average
        loc, scale = known.mean(dim=1, keepdim=True), known.std(dim=1, correction=0, keepdim=True)
        scale = torch.where(scale > 0, scale, 1.0)
        known, asked = (known - loc) / scale, (asked - loc) / scale
        centre, mean = (weight * known).mean(dim=1, keepdim=True), (weight * truth).mean(dim=0)
        known = known - centre
        weighted = (weight * known).mT
        gram = weighted @ known + ALPHA * torch.eye(x.shape[2], dtype=x.dtype, device=x.device)
        slope = torch.cholesky_solve(weighted @ (truth - mean), torch.linalg.cholesky(gram))
        found[:, held] = (asked - centre) @ slope + mean
    return (found.argmax(dim=2) if classes else found).cpu().numpy()


def why_no_probe(latents: Latents) -> str:
    """Why no probe can be fitted to these validation rows, or nothing: then held-out nats alone choose a step."""
    rows = latents.complete()
    num_originals = len(np.unique(latents.original[rows]))
    if num_originals < NUM_FOLDS:
        return f"{num_originals} originals with a value in every concept, and a probe needs {NUM_FOLDS}"
    for name, values in latents.targets().items():
        if (values[rows] == values[rows[0]]).all():
            return f"one value alone of '{name}'"
    return ""


def _targets(latents: Latents, rows: NDArray[np.int64]) -> list[Classes | Values]:
    """What is predicted of each concept, none where no probe can be fitted."""
    if why_no_probe(latents):
        return []
    return [target_of(name, values[rows], len(rows)) for name, values in latents.targets().items()]
