"""How alike images drawn by a network are to real ones: the Fréchet distance of their features, with intervals.

It is that of two Gaussians fitted to the features: ‖m − m′‖² + tr(C + C′ − 2 (C C′)^½). The estimate falls with the
number of images, so that only distances of as many images, by the same features, compare. What is drawn are codes of
N(0, 1) through T⁻¹ and, beside it, what T has to beat: latents of one Gaussian and of a mixture of ten, both fitted to
the training latents, and of N(0, 1) itself (Dai and Wipf, Diagnosing and enhancing VAE models, ICLR 2019, arXiv
1903.05789, on why that is not what an encoder gives). The floor is what the network makes of the test images.

An interval is 1.96 standard errors to either side, over resamples of the test images and, at the same places, of those
drawn: resamples repeat images, which moves every distance up alike, so that their own quantiles would lie too high.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement
from torch import Tensor, nn

from pipeline.basis.draws import draw_seed
from pipeline.evaluation.features import Features
from pipeline.interpretation.rows import Rows
from pipeline.scores.statistics.intervals import bootstrap_counts
from pipeline.scores.statistics.originals import original_index
from pipeline.scores.statistics.score import BASELINES, FRECHET, FRECHET_GAIN, Score
from pipeline.tables.images import to_pixels
from pipeline.tables.latents import Latents

__all__ = ["FLOOR", "FLOW", "drawn_latents", "frechet_scores", "sampling"]

FLOW, FLOOR = "flow", "reconstruction"
COMPONENTS = 10
MOST_ROWS = 20_000  # that are fitted to
NUM_RESAMPLES = 100  # a standard error of so many is off by a fourteenth
NUM_WIDE = 20  # of wide features, where one distance takes ten seconds; by a sixth
WIDE = 512


def sampling(test: Rows, train: Latents, features: Features | None, seed: int) -> dict[str, Score]:
    """`frechet/…` of what the network draws, and by how much T is below each baseline; nothing without features.

    Args:
        test: the test split, with the network and its map.
        train: training latents, which the baselines are fitted to.
        features: what compares images.
        seed: the study's.
    """
    if features is None:
        print(
            "frechet/… is left out: no network names what the images show, and evaluate.features is empty", flush=True
        )
        return {}
    if test.interpretation.draws_own_images:
        print("frechet/… is left out: a generator's latents are N(0, 1), which it was trained to draw from", flush=True)
        return {}
    rows = np.arange(len(test.images))
    latents = {FLOW: test.interpretation.inverse(_normal(test, seed, FLOW)), FLOOR: test.means}
    latents |= drawn_latents(train, len(rows), seed)
    drawn = {name: features.of(to_pixels(test.outputs_of_latents(z, rows))) for name, z in latents.items()}
    return frechet_scores(features.of(test.images.pixels), drawn, features.name, test.latents.original, seed)


def drawn_latents(train: Latents, num: int, seed: int) -> dict[str, Tensor]:
    """`num` latents [n, N] of each baseline, fitted to draws z = mean + scale · ε of 20,000 training rows at most."""
    from sklearn.mixture import GaussianMixture  # its imports take a second, which others would wait for

    rng = np.random.default_rng(draw_seed(seed, "evaluate/baselines"))
    z = train.draw(rng, np.sort(rng.permutation(len(train))[:MOST_ROWS])).astype(np.float64)
    state = draw_seed(seed, "evaluate/mixture") % 2**32
    with threadpool_limits(1):  # with several threads the last bits depend on how many the machine has
        mixture = GaussianMixture(COMPONENTS, random_state=state, reg_covar=_floor(z)).fit(z)
        found = {
            "gaussian": rng.multivariate_normal(z.mean(axis=0), np.cov(z.T), num, method="eigh"),
            "mixture": mixture.sample(num)[0],
            "prior": rng.standard_normal((num, z.shape[1])),
        }
    return {name: torch.from_numpy(rows.astype(np.float32)) for name, rows in found.items()}


def frechet_scores(
    real: Tensor, drawn: Mapping[str, Tensor], name: str, original: NDArray[np.int64], seed: int
) -> dict[str, Score]:
    """The distance of each set of features to those of the real images, and what T's is below each baseline's.

    Args:
        real: features [n, D] of the test images.
        drawn: those of as many images, by how they were drawn; `reconstruction` are of the test images, row by row.
        name: of the features.
        original: of each test image [n].
        seed: the study's.
    """
    index = original_index(original, len(real))
    num, drawing = NUM_WIDE if real.shape[1] > WIDE else NUM_RESAMPLES, draw_seed(seed, "evaluate/frechet")
    counts = np.concatenate(list(bootstrap_counts(int(index.max()) + 1, drawing, num)))
    ones = np.ones(len(real))
    with threadpool_limits(1):
        values = _distances(real, drawn, ones)
        resampled = [_distances(real, drawn, weights[index]) for weights in counts]
    details: dict[str, str | int | float] = {"features": name, "dimensions": real.shape[1], "images": len(real)}
    scores = {
        f"{FRECHET}/{way}": _score(value, [each[way] for each in resampled], details, least=0.0)
        for way, value in values.items()
    }
    for way in BASELINES:
        gains = [each[way] - each[FLOW] for each in resampled]
        scores[f"{FRECHET_GAIN}/{way}"] = _score(values[way] - values[FLOW], gains, details)
    return scores


def _score(
    value: float, resampled: list[float], details: Mapping[str, str | int | float], least: float = -np.inf
) -> Score:
    half = 1.96 * float(np.std(resampled, ddof=1))
    return Score(value, max(value - half, least), value + half, details=details)


def _distances(real: Tensor, drawn: Mapping[str, Tensor], weights: NDArray[np.float64]) -> dict[str, float]:
    """Distance of each set to the real one, each row as often as its whole-numbered weight [n] says."""
    rows = torch.from_numpy(np.repeat(np.arange(len(weights)), weights.astype(np.int64)))
    from torchmetrics.image.fid import FrechetInceptionDistance  # likewise

    metric = FrechetInceptionDistance(_AsTheyAre(real.shape[1]), reset_real_features=False)
    metric.update(real[rows], real=True)
    found = {}
    for way, features in drawn.items():
        metric.update(features[rows], real=False)
        found[way] = max(0.0, float(metric.compute()))  # equal sets are apart by rounding
        metric.reset()
    return found


class _AsTheyAre(nn.Module):
    """The feature network of features that are at hand."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        """The features."""
        return features


def _floor(z: NDArray[np.float64]) -> float:
    """What a mixture adds to each variance, so that a component of few rows has a density; small beside all of them."""
    return float(1e-3 * z.var(axis=0).mean())


def _normal(test: Rows, seed: int, purpose: str) -> Tensor:
    rng = np.random.default_rng(draw_seed(seed, f"evaluate/{purpose}_codes"))
    return torch.from_numpy(rng.standard_normal(tuple(test.codes.shape), dtype=np.float32))
