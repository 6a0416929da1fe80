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
from pipeline.backbone.brought_network import require_range, run_once
from pipeline.backbone.callable_network import from_callable, initialise_lazy
from pipeline.backbone.cut import Cut, Noise
from pipeline.backbone.exported_network import from_exported
from pipeline.backbone.head import Head
from pipeline.backbone.named_weights import load_weights
from pipeline.backbone.reduction import MEAN, Reduction
from pipeline.backbone.trial import HALF, require_steady
from pipeline.basis.draws import draw_seed
from pipeline.errors import InputError
from pipeline.inputs.paths import weights_file
from pipeline.params import BackboneParams
from pipeline.tables.images import Images, to_unit_range

__all__ = ["NO_ENCODER", "GeneratorBackbone", "GeneratorCut", "describe_generator", "open_generator"]

NO_ENCODER = (
    "a generator has no encoder, so that an image has no latent; what it draws is edited in Python: "
    "iin.transform(z) gives the codes of draws z from N(0, 1) (see the README, In Python)"
)

_TRIED = 2  # images
_ROUNDING = 1e-3  # by which an image may leave its range, in halves of it
_PIXEL = 3 / 255  # one and a half levels of a stored image


@dataclass(frozen=True)
class GeneratorCut(Cut):
    """G: z → x, and the prior N(0, 1) of each number of z; there is no E.

    Attributes:
        network: in eval mode; from z [B, *shape] to images [B, 1 or 3, H, W].
        shape: of z as the network takes it: (N), or (N, 1, 1), a map of one position.
        seed: of the prior's draws.
        device: where it runs.
        head: reads what it gives.
    """

    network: nn.Module
    shape: tuple[int, ...]
    seed: int
    device: torch.device
    head: Head

    noise: ClassVar[Noise] = "none"

    @property
    def num_dims(self) -> int:
        """N."""
        return self.shape[0]

    def prior(self, originals: NDArray[np.int64]) -> Tensor:
        """z [B, N] of the images of these numbers [B]: each a function of the seed and its number alone."""
        rows = [
            np.random.default_rng(draw_seed(self.seed, "generator/prior", int(number))).standard_normal(
                self.num_dims, np.float32
            )
            for number in originals
        ]
        return torch.from_numpy(np.stack(rows))

    def draw(self, z: Tensor) -> Tensor:
        """Latents [B, N] to images [B, 3, H, W] in [−1, 1]; a grey image's three channels are alike."""
        return self.head(self.network(z.to(self.device).reshape(-1, *self.shape)), len(z))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor | None]:  # noqa: ARG002
        """Refused: an image of one's own has no latent."""
        raise InputError(NO_ENCODER)

    def stored_latents(
        self,
        pixels: NDArray[np.uint8],  # noqa: ARG002
        originals: NDArray[np.int64],
    ) -> tuple[Tensor, Tensor | None]:
        """The draws that the images of these numbers were made from."""
        return self.prior(originals), None

    def rest(self, images: Tensor | None) -> Callable[[Tensor], Tensor]:  # noqa: ARG002  nothing passes the latent by
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
        shown = to_unit_range(images.pixels[:_TRIED])
        _require_drawn(decoder, shown, images.original[:_TRIED])
        exported = _exported(params)
        card = {
            "kind": "generator",
            "network": params.network if exported is None else None,
            "arguments": dict(params.arguments),
            **decoder.head.to_card(),
            "num_dims": params.num_dims,
            "latent_shape": list(decoder.shape),
            "seed": seed,
        }
        bright = ", none of them darker than mid-grey: see backbone.output_range" if float(shown.min()) >= 0 else ""
        taken = " of z as [B, {}, {}, {}]".format(*decoder.shape) if len(decoder.shape) > 1 else ""
        return Made(decoder.network, card, exported, f"images of its own{taken}{bright}")

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:
        """What the callable makes, or the copy of the exported file holds."""
        if card["network"]:
            return from_callable(card["network"], card["arguments"])
        return from_exported(folder / EXPORTED)

    def run(self, images: Tensor) -> Tensor:  # noqa: ARG002
        """Refused: it takes no image."""
        raise InputError(NO_ENCODER)

    def cut(self, layer: str, reduction: Reduction = MEAN, kept: NDArray[np.int64] | None = None) -> Cut:  # noqa: ARG002
        """The decoder; its prior is in place of an encoder."""
        head = Head.from_card(self.card)
        return GeneratorCut(self.network, tuple(self.card["latent_shape"]), self.card["seed"], self.device, head)


def open_generator(params: BackboneParams, seed: int, device: torch.device | str) -> GeneratorCut:
    """The decoder of section `backbone` and its prior, before it is frozen into a folder.

    Args:
        params: section `backbone`, of kind generator.
        seed: of the prior's draws, and of random weights.
        device: where it runs.

    Raises:
        InputError: it can't be opened, its weights do not fit, it takes no such z, makes no images of it in the range
            that is said, or not the same each time and in any batch.
    """
    assert params.network is not None  # as its section has been checked
    exported = _exported(params)
    network = from_callable(params.network, params.arguments, seed) if exported is None else from_exported(exported)
    shape = _shape_taken(network, params, seed)
    decoder = GeneratorCut(network, shape, seed, torch.device(device), Head.of(params))
    if params.weights:
        load_weights(network, weights_file(params.weights))
    network.to(device)  # in place
    z = decoder.prior(np.arange(_TRIED)).to(device).reshape(-1, *shape)
    given = run_once(network, z, params)
    decoder.head(given, _TRIED)
    images = decoder.head.pick(given)
    require_range(decoder.head, images, f"'{params.network}'", _ROUNDING)
    require_steady(
        lambda some: {"its image": decoder.head.pick(network(some))}, z, params.network, half=images.dtype in HALF
    )
    return decoder


def describe_generator(params: BackboneParams) -> str:
    """Its one layer and what it gives, for a person, as `Backbone.layers` of a frozen one.

    Args:
        params: section `backbone`, of kind generator.

    Raises:
        InputError: as `open_generator`.
    """
    decoder = open_generator(params, 0, "cpu")
    height, width = decoder.draw(decoder.prior(np.arange(_TRIED))).shape[-2:]
    taken = ", ".join(map(str, ("B", *decoder.shape)))
    return (
        f"latent  the one layer of kind 'generator', {decoder.num_dims} dimensions, taken as [{taken}]\n"
        f"the network gives images of {width}x{height}"
    )


def _shape_taken(network: nn.Module, params: BackboneParams, seed: int) -> tuple[int, ...]:
    """The shape of z, without the batch, that a decoder takes; lazy layers of it have taken theirs from it then.

    Raises:
        InputError: it takes none of the usual ones.
    """
    refusals = []
    for shape in ((params.num_dims,), (params.num_dims, 1, 1)):  # the latter where it begins with a convolution
        z = torch.zeros(_TRIED, *shape)
        try:
            initialise_lazy(network, z, params, seed)
            run_once(network, z, params)
        except InputError as error:
            refusals.append(str(error))
        else:
            return shape
    raise InputError("; ".join(refusals))


def _exported(params: BackboneParams) -> Path | None:
    """The `torch.export` file that the decoder is; None: a callable makes it."""
    return Path(str(params.network)) if params.network_is == "file" else None


def _require_drawn(decoder: GeneratorCut, images: Tensor, originals: NDArray[np.int64]) -> None:
    """Compare the images with what it draws now, as one with weights that differ each time names nothing."""
    off = float((decoder.draw(decoder.prior(originals)) - images).abs().max())
    if off > _PIXEL:
        raise InputError(
            f"backbone: the generator does not draw the images of data/images (they differ by {off:.2g}): its weights "
            "differ each time that it is made, or their file was changed; run `dvc repro -f prepare`"
        )
