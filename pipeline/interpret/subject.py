"""What the figures of a layer are drawn from: network, flow, test images and their codes, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.backbones import Backbone, GeneratorSplit, Split, outputs
from pipeline.data import Images, Latents
from pipeline.draws import draw_seed
from pipeline.errors import InputError
from pipeline.interpret.rows import Target, distinct_rows, rows_of_contrast
from pipeline.layout import RESIDUAL, Layout
from pipeline.training.artifact import Iin

__all__ = ["Subject", "subject_of"]

Pixels = NDArray[np.uint8]


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
    """

    iin: Iin
    split: Split
    pixels: Pixels
    latents: Tensor
    codes: Tensor
    targets: dict[str, Target]
    candidates: NDArray[np.int64]
    seed: int

    @property
    def layout(self) -> Layout:
        """Names and sizes of the factors."""
        return self.iin.layout

    @property
    def shaded(self) -> str:
        """What the shaded images of a figure are, for its caption."""
        if isinstance(self.split, GeneratorSplit):
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
    split = backbone.at(latents.layer, latents.reduce, latents.kept)
    known = np.flatnonzero(np.all([labels >= 0 for labels in latents.labels.values()], axis=0))
    candidates = known[rows_of_contrast(images.pixels[known])]
    return Subject(iin, split, images.pixels, z, codes, targets, candidates, seed)
