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

from pipeline.backbone.backbone import Backbone
from pipeline.backbone.cut import Cut, outputs
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import RESIDUAL, Layout
from pipeline.errors import InputError
from pipeline.interpretation.iin import Iin
from pipeline.tables.images import Images
from pipeline.tables.latents import Latents

__all__ = ["Subject", "Target", "distinct_rows", "rows_of_contrast", "subject_of"]

Pixels = NDArray[np.uint8]

_NUM_CANDIDATES = 256

Target = NDArray[np.int64] | NDArray[np.float32]


@dataclass(frozen=True)
class Subject:
    """A layer, ready to be drawn.

    Attributes:
        iin: the flow and its layout.
        split: the network at the layer, which draws or decides.
        pixels: the images [n, H, W, 3].
        latents: z [n, N], means.
        codes: z̃ = T(z) [n, N].
        targets: concept → classes [n] or values [n, D].
        candidates: rows that may be drawn.
        seed: of every choice and draw.
        draws_own_images: whether the images are the network's own draws.
    """

    iin: Iin
    split: Cut
    pixels: Pixels
    latents: Tensor
    codes: Tensor
    targets: dict[str, Target]
    candidates: NDArray[np.int64]
    seed: int
    draws_own_images: bool = False

    @property
    def layout(self) -> Layout:
        """Names and sizes of the factors."""
        return self.iin.layout

    @property
    def shaded(self) -> str:
        """What the shaded images of a figure are, for its caption."""
        if self.draws_own_images:
            return "Shaded images are the generator's own"
        return "Shaded images are real"

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

    def outputs(self, latents: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """What the rest of the frozen network makes of z [B, N] of recipients in `rows` [B]."""
        return outputs(self.split, latents, self.pixels, rows)

    def decode_latents(self, latents: Tensor, rows: NDArray[np.int64]) -> Pixels:
        """What it draws from z [B, N] of recipients in `rows` [B]: pixels [B, H, W, 3]."""
        images = self.outputs(latents, rows).clamp(-1, 1)
        return ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()

    @torch.no_grad()
    def decode_codes(self, codes: Tensor, rows: NDArray[np.int64]) -> Pixels:
        """What it draws from T⁻¹(z̃) of codes [B, N] of recipients in `rows` [B]: pixels [B, H, W, 3]."""
        return self.decode_latents(self.iin.flow.inverse(codes), rows)


@torch.no_grad()
def subject_of(iin: Iin, backbone: Backbone, latents: Latents, images: Images, seed: int) -> Subject:
    """Bring together what belongs together.

    Raises:
        InputError: if images and latents are not of the same rows, or the widths of latents and flow differ.
    """
    if not np.array_equal(latents.id, images.id):
        raise InputError(f"latents of {len(latents)} rows and images of {len(images)} are not of the same ids")
    if latents.num_dims != iin.layout.num_dims:
        raise InputError(
            f"latents of layer '{latents.layer}' have {latents.num_dims} dimensions, the flow {iin.layout.num_dims}"
        )
    z = torch.from_numpy(latents.mean)
    codes, _ = iin.flow(z)
    targets = {name: target for name, target in latents.targets().items() if name in iin.layout.concepts}
    split = backbone.cut(latents.layer, latents.reduce, latents.kept)
    known = np.flatnonzero(np.all([labels >= 0 for labels in latents.labels.values()], axis=0))
    candidates = known[rows_of_contrast(images.pixels[known])]
    return Subject(iin, split, images.pixels, z, codes, targets, candidates, seed, backbone.draws_own_images)


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
