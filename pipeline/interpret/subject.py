"""What the figures of a layer are drawn from: network, flow, test images and their codes, row by row."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.backbones import Backbone
from pipeline.data import Images, Latents
from pipeline.errors import InputError
from pipeline.layout import Layout
from pipeline.training.artifact import Iin

__all__ = ["Subject", "subject_of"]

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Subject:
    """A layer, ready to be drawn.

    Attributes:
        iin: the flow and its layout.
        backbone: decodes latents.
        pixels: the images [n, H, W, 3].
        latents: z [n, N], means.
        codes: z̃ = T(z) [n, N].
        targets: concept → classes [n] or values [n, D].
        seed: of every choice and draw.
    """

    iin: Iin
    backbone: Backbone
    pixels: Pixels
    latents: Tensor
    codes: Tensor
    targets: dict[str, NDArray[np.int64] | NDArray[np.float32]]
    seed: int

    @property
    def layout(self) -> Layout:
        """Names and sizes of the factors."""
        return self.iin.layout

    def decode_latents(self, latents: Tensor) -> Pixels:
        """What the frozen network draws from z [B, N]: pixels [B, H, W, 3]."""
        images = self.backbone.decode(latents).cpu().clamp(-1, 1)
        return ((images + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()

    @torch.no_grad()
    def decode_codes(self, codes: Tensor) -> Pixels:
        """What it draws from T⁻¹(z̃) of codes [B, N]: pixels [B, H, W, 3]."""
        return self.decode_latents(self.iin.flow.inverse(codes))


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
    return Subject(iin, backbone, images.pixels, z, codes, targets, seed)
