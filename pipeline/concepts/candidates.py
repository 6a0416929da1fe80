"""Candidates for concepts in a part of the code: clusters, and directions along which the output changes most.

No label is read. A candidate is a rule that gives each image a class; how far it is to be trusted says how well the
same rule agrees with itself when it is found anew from other images.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # scikit-learn's own requirement

from pipeline.basis.draws import draw_seed

__all__ = ["Candidate", "clusters", "direction"]

FITS = 3  # anew, each from half of the originals
STARTS = 3  # of a mixture, of which the likeliest counts
WIDEST = 32  # numbers that a mixture is fitted to; of more their principal directions
LEAST = 1e-2  # variance that a component has in each direction beside its own; the code has 1
THIRDS = ("low", "middle", "high")

Part = NDArray[np.float32]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Candidate:
    """A concept that may be one.

    Attributes:
        name: such as `clusters_10`.
        names: of its classes.
        label: classes [n] of parts of codes [n, M].
        agreement: adjusted Rand index of two rules that were found from other images, mean over their pairs: 0 is
            chance, 1 the same classes.
        gain: held-out nats an image that the clusters are better than one Gaussian; None: of a direction.
    """

    name: str
    names: Sequence[str]
    label: Callable[[Part], Labels]
    agreement: float
    gain: float | None = None


def clusters(part: Part, original: Labels, held_out: Part, num: int, seed: int) -> Candidate:
    """A mixture of `num` Gaussians of any shape, the largest cluster first.

    Args:
        part: of the codes of training rows [n, M].
        original: of these rows [n].
        held_out: of other rows [m, M], on which it is measured.
        num: of clusters.
        seed: of the draws.
    """
    with threadpool_limits(1):  # one thread, so that equal rows give equal classes
        whole, alone = _mixture(part, num, seed), _mixture(part, 1, seed)
        labels = [
            _mixture(part[half], num, draw_seed(seed, "concepts/mixture", fit)).predict(held_out)
            for fit, half in enumerate(_halves(original, seed))
        ]
        gain = float(whole.score(held_out) - alone.score(held_out))
    place = np.argsort(np.argsort(-whole[-1].weights_, kind="stable"))

    def label(rows: Part) -> Labels:
        with threadpool_limits(1):
            return np.asarray(place[whole.predict(rows)], np.int64)

    names = [f"cluster {number}" for number in range(num)]
    return Candidate(f"clusters_{num}", names, label, _agreement(labels), gain)


def direction(part: Part, held_out: Part, vectors: Sequence[Part], number: int) -> Candidate:
    """Thirds of the training rows along a direction of their code.

    Args:
        part: of the codes of training rows [n, M].
        held_out: of other rows [m, M], on which it is measured.
        vectors: the direction [M], and the same as it was found from other images, at least two.
        number: counted from 1.
    """
    rules = [_thirds(part, vector) for vector in vectors]
    return Candidate(f"direction_{number}", THIRDS, rules[0], _agreement([rule(held_out) for rule in rules]))


def _thirds(part: Part, vector: Part) -> Callable[[Part], Labels]:
    ends = np.quantile(part @ vector, (1 / 3, 2 / 3))
    return lambda rows: np.searchsorted(ends, rows @ vector).astype(np.int64)


def _mixture(part: Part, num: int, seed: int) -> Pipeline:
    mixture = GaussianMixture(num, n_init=STARTS, reg_covar=LEAST, random_state=seed % 2**32)
    steps = [PCA(WIDEST, svd_solver="full")] if part.shape[1] > WIDEST else []
    return make_pipeline(*steps, mixture).fit(part)


def _halves(original: Labels, seed: int) -> list[NDArray[np.bool_]]:
    """Which rows are of a drawn half of the originals [n], once a fit."""
    _, number = np.unique(original, return_inverse=True)
    rng = np.random.default_rng(draw_seed(seed, "concepts/halves"))
    return [rng.permutation(number.max() + 1)[number] <= number.max() / 2 for _ in range(FITS)]


def _agreement(labels: Sequence[Labels]) -> float:
    return float(np.mean([adjusted_rand_score(a, b) for a, b in combinations(labels, 2)]))
