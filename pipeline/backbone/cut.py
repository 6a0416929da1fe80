"""A frozen network f(x) = G(z, x), cut at a layer: z = E(x), and the output that follows from another z."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from pipeline.tables.images import to_unit_range

__all__ = ["Cut", "Noise"]

Noise = Literal["encoder", "jitter", "none"]


class Cut(ABC):
    """E and G of one layer; both run in eval mode, and G takes what E gives.

    E records no gradients. G records those of the latents that it is given, where they have any: the network is frozen.

    Attributes:
        noise: where the scale of a latent comes from: the network's own `encoder`; `jitter`, a share of the standard
            deviation, for a layer that has point masses; or `none`, for draws from a prior, which has a density.
    """

    noise: ClassVar[Noise]

    @abstractmethod
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """E: images [B, 3, H, W] in [−1, 1] to the numbers that enter T [B, N], and the scale of their noise, if any.

        Raises:
            InputError: the network has no E.
        """

    @abstractmethod
    def rest(self, images: Tensor | None) -> Callable[[Tensor], Tensor]:
        """G of these recipients: from z [B, N], the numbers that enter T, to images in [−1, 1], logits or values.

        Args:
            images: [B, 3, H, W] in [−1, 1], the recipients, one a row of z: what of the layer is not in z, and what
                passes the layer by, is theirs; None: nobody's, of a decoder, which needs nothing but z.

        Raises:
            ValueError: there are no recipients, and G needs them.
        """

    @abstractmethod
    def width(self, images: Tensor) -> int:
        """How many numbers the layer gives for an image, those too that do not enter T.

        Args:
            images: [B, 3, H, W] in [−1, 1], any; a layer whose width nobody states is asked for it.
        """

    def stored_latents(
        self,
        pixels: NDArray[np.uint8],
        originals: NDArray[np.int64],  # noqa: ARG002  an encoder sees the image alone
    ) -> tuple[Tensor, Tensor | None]:
        """What `encode` gives for rows of the images table.

        Args:
            pixels: [B, H, W, 3].
            originals: numbers [B] of the originals that the rows are copies of.
        """
        return self.encode(to_unit_range(pixels))
