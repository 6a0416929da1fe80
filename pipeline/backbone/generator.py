"""Kind `generator`: a decoder alone, such as the G of a GAN.

z is drawn from its prior, an image comes out, and nothing leads back: the images that it is studied on are its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.backbone import EXPORTED, LatentBackbone, Made
from pipeline.backbone.brought_network import load_weights, weights_file
from pipeline.backbone.callable_network import from_callable
from pipeline.backbone.cut import Cut, Noise
from pipeline.backbone.exported_network import from_exported
from pipeline.backbone.reduction import Reduce
from pipeline.basis.draws import draw_seed
from pipeline.errors import InputError, one_line
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

__all__ = ["GeneratorBackbone", "GeneratorCut", "open_generator"]

_TRIED = 2  # images
_ROUNDING = 1e-3  # by which an image may leave [−1, 1]
_PIXEL = 3 / 255  # one and a half levels of a stored image


@dataclass(frozen=True)
class GeneratorCut(Cut):
    """G: z → x, and the prior N(0, 1) of each number of z; there is no E.

    Attributes:
        network: in eval mode; from z [B, N] to images [B, 1 or 3, H, W] in [−1, 1].
        num_dims: N.
        seed: of the prior's draws.
        device: where it runs.
    """

    network: nn.Module
    num_dims: int
    seed: int
    device: torch.device

    noise: ClassVar[Noise] = "none"

    def prior(self, originals: NDArray[np.int64]) -> Tensor:
        """z [B, N] of the images of these numbers [B]: each a function of the seed and its number alone."""
        rows = [
            np.random.default_rng(draw_seed(self.seed, "generator/prior", int(number))).standard_normal(
                self.num_dims, np.float32
            )
            for number in originals
        ]
        return torch.from_numpy(np.stack(rows))

    @torch.no_grad()
    def draw(self, z: Tensor) -> Tensor:
        """Latents [B, N] to images [B, 3, H, W] in [−1, 1]; a grey image's three channels are alike."""
        images: Tensor = self.network(z.to(self.device))
        return images.expand(-1, 3, -1, -1)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Refused: an image of one's own has no latent."""
        raise InputError(f"a generator has no encoder: the {len(images)} images given have no latents")

    def stored_latents(
        self,
        pixels: NDArray[np.uint8],  # noqa: ARG002
        originals: NDArray[np.int64],
    ) -> tuple[Tensor, Tensor | None]:
        """The draws that the images of these numbers were made from."""
        return self.prior(originals), None

    def rest(self, images: Tensor) -> Callable[[Tensor], Tensor]:  # noqa: ARG002  nothing passes the latent by
        """From latents [B, N] to images [B, 3, H, W] in [−1, 1]; the recipients have no say in it."""
        return self.draw

    def width(self, images: Tensor) -> int:  # noqa: ARG002
        """N: all of them enter T."""
        return self.num_dims


class GeneratorBackbone(LatentBackbone):
    """A frozen decoder and its prior."""

    draws_own_images: ClassVar[bool] = True

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:
        """Open it, and compare what it draws with the images table."""
        decoder = open_generator(params, seed, "cpu")
        _require_drawn(decoder, to_unit_range(images.pixels[:_TRIED]), images.original[:_TRIED])
        exported = _exported(params)
        card = {
            "kind": "generator",
            "network": params.network if exported is None else None,
            "arguments": dict(params.arguments),
            "output": "images",
            "num_dims": params.num_dims,
            "seed": seed,
        }
        return Made(decoder.network, card, exported)

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:
        """What the callable makes, or the copy of the exported file holds."""
        if card["network"]:
            return from_callable(card["network"], card["arguments"])
        return from_exported(folder / EXPORTED)

    def run(self, images: Tensor) -> Tensor:
        """Refused: it takes no image."""
        raise InputError(f"a generator has no encoder: the {len(images)} images given have no latents")

    def cut(self, layer: str, reduce: Reduce = "mean", kept: NDArray[np.int64] | None = None) -> Cut:  # noqa: ARG002
        """The decoder; its prior is in place of an encoder."""
        return GeneratorCut(self.network, self.card["num_dims"], self.card["seed"], self.device)


def open_generator(params: BackboneParams, seed: int, device: torch.device | str) -> GeneratorCut:
    """The decoder of section `backbone` and its prior, before it is frozen into a folder.

    Args:
        params: section `backbone`, of kind generator.
        seed: of the prior's draws, and of random weights.
        device: where it runs.

    Raises:
        InputError: it can't be opened, its weights do not fit, or it makes no images in [−1, 1] of z.
    """
    assert params.network is not None  # as its section has been checked
    exported = _exported(params)
    network = from_callable(params.network, params.arguments, seed) if exported is None else from_exported(exported)
    if params.weights:
        load_weights(network, weights_file(params.weights))
    decoder = GeneratorCut(network.to(device), params.num_dims, seed, torch.device(device))
    z = decoder.prior(np.arange(_TRIED))
    try:
        images = decoder.network(z.to(device))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        raise InputError(
            f"backbone: '{params.network}' does not take latents {tuple(z.shape)} ({one_line(error, 200)}); see "
            "backbone.num_dims"
        ) from None
    _require_images(images, params.network)
    return decoder


def _exported(params: BackboneParams) -> Path | None:
    """The `torch.export` file that the decoder is; None: a callable makes it."""
    path = Path(str(params.network))
    return path if path.suffix == ".pt2" else None


def _require_images(images: Any, name: str) -> None:
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != _TRIED or images.shape[1] not in (1, 3):
        what = tuple(images.shape) if isinstance(images, Tensor) else f"a {type(images).__name__}"
        raise InputError(f"backbone: '{name}' gives {what}, images ({_TRIED}, 1 or 3, H, W) are expected")
    low, high = float(images.min()), float(images.max())
    if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):  # NaN is neither
        raise InputError(f"backbone: '{name}' gives values of {low:.3g} to {high:.3g}, expected are −1 to 1")


def _require_drawn(decoder: GeneratorCut, images: Tensor, originals: NDArray[np.int64]) -> None:
    """Compare the images with what it draws now, as one with weights that differ each time names nothing."""
    off = float((decoder.draw(decoder.prior(originals)) - images).abs().max())
    if off > _PIXEL:
        raise InputError(
            f"backbone: the generator does not draw the images of data/images (they differ by {off:.2g}): its weights "
            "differ each time that it is made, or their file was changed; run `dvc repro -f prepare`"
        )
