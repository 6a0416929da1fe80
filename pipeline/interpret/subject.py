"""What the figures of a layer are drawn from: network, flow, test images and their codes, row by row.

Which rows are drawn follows from the study's seed, such that they differ in what a figure shows and a reader can see
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.flow import latent_nats
from pipeline.interpretation.edits import Edit
from pipeline.interpretation.rows import Rows
from pipeline.tables.images import to_pixels, to_unit_range

__all__ = ["Subject", "Target", "distinct_rows", "rows_of_contrast", "subject_of"]

Pixels = NDArray[np.uint8]

_NUM_CANDIDATES = 256

Target = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """A layer, ready to be drawn.

    Attributes:
        rows: the test split, with the network and its map.
        targets: concept → classes [n] or values [n, D].
        candidates: numbers of the rows that may be drawn.
        seed: of every choice and draw.
        others: the same rows by the maps of other seeds; none where one map was trained.
    """

    rows: Rows
    targets: dict[str, Target]
    candidates: NDArray[np.int64]
    seed: int
    others: Sequence[Rows] = ()

    @property
    def layout(self) -> Layout:
        """Names and sizes of the factors."""
        return self.rows.layout

    @property
    def pixels(self) -> Pixels:
        """The images [n, H, W, 3]."""
        return self.rows.images.pixels

    @property
    def shaded(self) -> str:
        """What the shaded images of a figure are, for its caption."""
        if self.rows.interpretation.draws_own_images:
            return "Shaded images are the generator's own"
        return "Shaded images are real"

    @property
    def width(self) -> int:
        """How many numbers the layer gives for an image, those too that are carried along."""
        return self.rows.interpretation.cut.width(to_unit_range(self.pixels[:1]))

    @property
    def entering(self) -> str:
        """Which of these numbers enter the map, as a sentence that has named them goes on."""
        num_dims = self.layout.num_dims
        if self.width == num_dims:
            return "them"
        reduce = self.rows.interpretation.iin.reduce
        return f"the means of {num_dims} channels" if reduce == "mean" else f"{num_dims} of them"

    def recipients(self, num: int) -> NDArray[np.int64]:
        """Rows [num] that differ in all concepts: the same in every figure that edits images."""
        return self.choose(list(self.targets), num, "interpret/recipients")

    def donors(self, factor: str, num: int) -> NDArray[np.int64]:
        """Rows [num] that differ in a factor's concept, classes in their order; for the residual, in all concepts."""
        concepts = list(self.targets) if factor == RESIDUAL else [factor]
        rows = self.choose(concepts, num, f"interpret/donors/{factor}")
        if factor != RESIDUAL and self.targets[factor].ndim == 1:
            rows = rows[np.argsort(self.targets[factor][rows], kind="stable")]
        return rows

    def choose(self, concepts: Sequence[str], num: int, purpose: str) -> NDArray[np.int64]:
        """Rows [num] that differ in `concepts`; fewer where there are not so many."""
        targets = [self.targets[name] for name in concepts]
        return distinct_rows(self.candidates, targets, num, draw_seed(self.seed, purpose))

    def edited(self, recipients: NDArray[np.int64], edit: Edit) -> Tensor:
        """Codes [B, N] of the rows `recipients` [B], after an edit."""
        return self.rows.interpretation.edit(self.rows.codes[recipients], edit)

    @torch.no_grad()
    def log_likelihood(self, latents: Tensor) -> NDArray[np.float64]:
        """log p(z) [B] of z [B, N] under T, in nats."""
        found: NDArray[np.float64] = -latent_nats(*self.rows.interpretation.iin.flow(latents)).double().numpy()
        return found

    def draw_latents(self, latents: Tensor, recipients: NDArray[np.int64]) -> Pixels:
        """What the network draws from z [B, N] of the rows `recipients` [B]: pixels [B, H, W, 3]."""
        return to_pixels(self.rows.outputs_of_latents(latents, recipients))

    def draw_codes(self, codes: Tensor, recipients: NDArray[np.int64]) -> Pixels:
        """What it draws from T⁻¹(z̃) of codes [B, N] of the rows `recipients` [B]: pixels [B, H, W, 3]."""
        return to_pixels(self.rows.outputs(codes, recipients))


def subject_of(rows: Rows, seed: int, others: Sequence[Rows] = ()) -> Subject:
    """What the figures of a layer are drawn from: of its rows those of known concepts and of contrast."""
    targets = {name: target for name, target in rows.latents.targets().items() if name in rows.layout.concepts}
    complete = rows.latents.complete()
    return Subject(rows, targets, complete[rows_of_contrast(rows.images.pixels[complete])], seed, others)


def rows_of_contrast(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Rows whose image has at least the median contrast: on the others (grey on grey) a reader sees little.

    Args:
        pixels: [n, H, W, 3].

    Returns:
        Their numbers, ascending; contrast is the standard deviation over pixels, mean over channels.
    """
    contrast = pixels.std(axis=(1, 2)).mean(axis=1)
    return np.flatnonzero(contrast >= np.median(contrast))


def distinct_rows(rows: NDArray[np.int64], targets: Sequence[Target], num: int, seed: int) -> NDArray[np.int64]:
    """Draw up to 256 of `rows`, and of these take one after the other the row least like those taken.

    Two rows differ by 1 in a concept of classes where their classes differ, in a continuous one by the Euclidean
    distance of their values over the largest among the rows drawn; over several concepts the differences add up.

    Args:
        rows: numbers of the rows to choose from [m].
        targets: of each concept that matters the classes [n] or values [n, D] of all rows.
        num: how many rows; all, where there are fewer.
        seed: of the draw and the first row.

    Returns:
        [min(num, m)] row numbers, each once, in the order in which they were taken.
    """
    candidates = np.random.default_rng(seed).permutation(rows)[:_NUM_CANDIDATES]
    difference = sum((_differences(target[candidates]) for target in targets), np.zeros((len(candidates),) * 2))
    taken = [0]
    while len(taken) < min(num, len(candidates)):
        nearest = difference[:, taken].min(axis=1)
        nearest[taken] = -1
        taken.append(int(nearest.argmax()))
    return candidates[taken]


def _differences(target: Target) -> NDArray[np.float64]:
    """How much each row differs from each other one [c, c], in 0 … 1."""
    if target.ndim == 1:
        return np.asarray(target[:, None] != target[None], dtype=np.float64)
    distance = np.linalg.norm(target[:, None].astype(np.float64) - target[None], axis=-1)
    return np.asarray(distance / max(distance.max(), np.finfo(np.float64).tiny))
