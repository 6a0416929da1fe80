"""Stored rows of one split, as an interpreted network sees them: what scores and figures are made from."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.iin.iin import Iin, load_iin, seed_folders
from pipeline.interpretation.interpretation import Interpretation
from pipeline.tables.images import Images
from pipeline.tables.latents import Latents

__all__ = ["Rows"]


@dataclass(frozen=True)
class Rows:
    """Images, their latents and their codes, row by row; `Rows.of` makes one of what belongs together.

    Attributes:
        interpretation: the network and its map.
        latents: the latents table of the rows.
        images: the images table of the same rows.
        codes: z̃ = T(z) [n, N], of the latents' means.
    """

    interpretation: Interpretation
    latents: Latents
    images: Images
    codes: Tensor

    @classmethod
    def of(cls, interpretation: Interpretation, latents: Latents, images: Images) -> Self:
        """Bring stored rows to a network and its map.

        Raises:
            InputError: images and latents are of other rows, or the latents are not what the map was trained on.
        """
        iin = interpretation.iin
        if not np.array_equal(latents.id, images.id):
            raise InputError(f"latents of {len(latents)} rows and images of {len(images)} are not of the same ids")
        if latents.num_dims != iin.layout.num_dims:
            raise InputError(
                f"latents of layer '{latents.layer}' have {latents.num_dims} dimensions, the flow {iin.layout.num_dims}"
            )
        if (latents.layer, latents.cut) != (iin.layer, iin.cut):
            raise InputError(
                f"latents of layer '{latents.layer}' ({latents.reduce}) are not what the map of layer '{iin.layer}' "
                f"({iin.reduce}) was trained on; run `dvc repro`"
            )
        return cls(interpretation, latents, images, interpretation.transform(torch.from_numpy(latents.mean[:])))

    def by(self, iin: Iin) -> Self:
        """The same rows by another map of the same latents."""
        return self.of(replace(self.interpretation, iin=iin), self.latents, self.images)

    def by_other_seeds(self, folder: Path) -> list[Self]:
        """The same rows by the maps of the seeds that were not kept, of the map's folder; none where it was alone."""
        own = self.interpretation.iin.seed
        return [self.by(load_iin(path)) for seed, path in seed_folders(folder).items() if seed != own]

    @property
    def layout(self) -> Layout:
        """Names and sizes of the factors."""
        return self.interpretation.layout

    @property
    def means(self) -> Tensor:
        """The latents' means, z [n, N]."""
        return torch.from_numpy(self.latents.mean[:])

    def outputs(self, codes: Tensor, recipients: NDArray[np.int64] | None = None) -> Tensor:
        """`Interpretation.outputs` of codes [m, N], whose recipients are rows [m]; None: all rows, in their order."""
        return self.interpretation.outputs(codes, self.images.pixels, recipients)

    def outputs_of_latents(self, latents: Tensor, recipients: NDArray[np.int64] | None = None) -> Tensor:
        """The same of latents [m, N]."""
        return self.interpretation.outputs_of_latents(latents, self.images.pixels, recipients)
