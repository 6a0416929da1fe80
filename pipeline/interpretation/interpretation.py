"""The interpreted network: E, T, edits of a code, T⁻¹ and G meet here.

from pipeline import Interpretation, swap

iin = Interpretation.open("models", layer="latent")
codes = iin.codes(images)
edited = iin.edit(codes, swap("digit", donors))
pictures = iin.outputs(edited, images)

Of a generator, which has no E: `iin.transform(z)` of z [n, N] from N(0, 1), and `iin.outputs(edited)`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.backbone.backbone import Backbone
from pipeline.backbone.cut import Cut
from pipeline.backbone.generator import NO_ENCODER
from pipeline.backbone.kinds import load_backbone
from pipeline.backbone.reduction import Reduction
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.iin.iin import Iin, load_iin
from pipeline.iin.values import Value
from pipeline.interpretation.edits import Edit
from pipeline.interpretation.setting import set_to
from pipeline.places import Models
from pipeline.tables.images import to_unit_range

__all__ = ["Interpretation"]

_ENCODED = 250  # images at once
_DECODED = 500  # recipients at once


@dataclass(frozen=True)
class Interpretation:
    """A frozen network f(x) = G(E(x), x) and the map T of its latents; `along` alone records gradients.

    `open` and `join` make one, of a map and a network that belong together.

    Attributes:
        iin: T and the layout of its factors.
        backbone: the network.
        cut: its E and G, at the layer of the map.
    """

    iin: Iin
    backbone: Backbone
    cut: Cut

    @classmethod
    def open(cls, models: Path | str, layer: str, device: torch.device | str = "cpu") -> Self:
        """Read the network of a study and the map of one of its layers.

        Args:
            models: the study's folder of trained networks, `models`.
            layer: one of the study's.
            device: where the network runs; the map runs on the CPU.

        Raises:
            InputError: a file is missing or damaged, or map and network do not belong together; the line names it.
        """
        places = Models(Path(models))
        iin, backbone = load_iin(places.iin(layer)), load_backbone(places.backbone, device)
        try:
            return cls.join(iin, backbone)
        except InputError as error:
            raise InputError(f"{places.iin(layer)}: {error}") from None

    @classmethod
    def join(cls, iin: Iin, backbone: Backbone) -> Self:
        """Bring a map and its network together.

        Raises:
            InputError: the map was trained on the latents of another network.
        """
        if iin.backbone_sha256 != backbone.sha256:
            raise InputError(
                f"the map was trained on network {iin.backbone_sha256[:12]}, found network {backbone.sha256[:12]}"
            )
        axes = None
        if iin.axes is not None:
            centre, directions = torch.from_numpy(iin.axes.centre), torch.from_numpy(iin.axes.directions)
            axes = (centre.to(backbone.device), directions.to(backbone.device))
        reduction = Reduction(iin.reduce, iin.channels, axes)
        return cls(iin, backbone, backbone.cut(iin.layer, reduction, np.array(iin.kept, np.int64)))

    @property
    def layout(self) -> Layout:
        """Names and sizes of the factors."""
        return self.iin.layout

    @property
    def draws_own_images(self) -> bool:
        """Whether its images are what a generator drew from its prior."""
        return self.backbone.draws_own_images

    def codes(self, images: NDArray[np.uint8]) -> Tensor:
        """E, then T: codes [n, N] of images; see `latents`."""
        return self.transform(self.latents(images))

    def edit(self, codes: Tensor, edit: Edit) -> Tensor:
        """New codes [n, N] after an edit of `pipeline.interpretation.edits`.

        Raises:
            ValueError: the edit does not fit the codes, or there is no such factor.
        """
        return edit(codes, self.layout)

    def set_to(self, concept: str, value: Value, seed: int | None = None) -> Edit:
        """The edit that sets a concept to a value, without a donor; as `pipeline.interpretation.setting.set_to`."""
        return set_to(self.iin.values, concept, value, seed)

    def outputs(
        self, codes: Tensor, images: NDArray[np.uint8] | None = None, recipients: NDArray[np.int64] | None = None
    ) -> Tensor:
        """T⁻¹, then G: what the network makes of codes.

        Args:
            codes: [n, N].
            images: pixels [m, H, W, 3]; what of the network's input is not in the code is theirs. None: of a generator
                or an autoencoder that was trained here, whose decoder needs nothing but the code.
            recipients: which of the images stands behind each code [n]; None: the one of the same number, and n = m.

        Returns:
            Images [n, 3, H, W] in [−1, 1], logits [n, classes], or values [n, D] of no class, on the CPU.

        Raises:
            ValueError: there are no images, and the network needs them.
        """
        return self.outputs_of_latents(self.inverse(codes), images, recipients)

    def outputs_for(self, images: NDArray[np.uint8]) -> Callable[[Tensor], Tensor]:
        """`outputs_of_latents` of these recipients [B, H, W, 3], held for many edits.

        What does not change with a latent runs once.
        """
        rest = self.cut.rest(to_unit_range(images))
        return lambda latents: rest(latents).cpu()

    def along(self, images: NDArray[np.uint8]) -> Callable[[Tensor], Tensor]:
        """T⁻¹, then G, of these recipients [B, H, W, 3]: from codes [B, N] to outputs, with gradients of the codes."""
        rest = self.cut.rest(to_unit_range(images))
        return lambda codes: rest(self.iin.flow.inverse(codes)).cpu()

    @torch.no_grad()
    def latents(self, images: NDArray[np.uint8]) -> Tensor:
        """E: the latents z [n, N] of images, on the CPU.

        Args:
            images: pixels [n, H, W, 3], of the height and width that the map was trained on.

        Raises:
            InputError: the network is a generator, which has no E.
            ValueError: the images have another shape or type.
        """
        if self.draws_own_images:
            raise InputError(NO_ENCODER)
        height, width = self.iin.image_shape
        if images.dtype != np.uint8 or images.shape[1:] != (height, width, 3):
            raise ValueError(
                f"images: found {images.dtype} of shape {list(images.shape)}, expected uint8 [n, {height}, {width}, 3]"
            )
        parts = [images[start : start + _ENCODED] for start in range(0, len(images), _ENCODED)]
        return torch.cat([self.cut.encode(to_unit_range(part))[0].cpu() for part in parts])

    def transform(self, latents: Tensor) -> Tensor:
        """T: codes z̃ [n, N] of latents [n, N]."""
        return self.iin.transform(latents)

    def inverse(self, codes: Tensor) -> Tensor:
        """T⁻¹: latents z [n, N] of codes [n, N]."""
        return self.iin.inverse(codes)

    def outputs_of_latents(
        self, latents: Tensor, images: NDArray[np.uint8] | None = None, recipients: NDArray[np.int64] | None = None
    ) -> Tensor:
        """G: what the network makes of latents z [n, N], a batch at a time; as `outputs` without T⁻¹."""
        rows = np.arange(len(latents)) if recipients is None else recipients
        outputs = []
        for start in range(0, len(latents), _DECODED):
            part = slice(start, start + _DECODED)
            rest = self.cut.rest(None if images is None else to_unit_range(images[rows[part]]))
            outputs.append(rest(latents[part]).cpu())
        return torch.cat(outputs)
