"""Sections `backbone` and `judge`: the frozen network that is interpreted, and the one that names what images show."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticKnownError

from pipeline.params.section import Count, Optimisation, Positive, Section

__all__ = ["KINDS", "BackboneParams", "InputParams", "JudgeParams", "LatentsParams", "Traits"]

CALLED = "package.module:callable"


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What section `backbone` must know of a kind of network.

    Attributes:
        latent: whether its one layer is `latent`, of `num_dims` numbers; else its layers are modules.
        images: whether it gives images, and else logits; None: as `backbone.output` says.
        network: what `backbone.network` must name, by an example; None: it is trained here.
        concept: whether it learns the classes of a concept, which `backbone.concept` must name.
        own_images: whether the images of the study are those that it draws.
        sides: smallest and largest side of the square images that it takes, in pixels; None: it takes any.
    """

    latent: bool = False
    images: bool | None
    network: str | None = None
    concept: bool = False
    own_images: bool = False
    sides: tuple[int, int] | None = None


KINDS = {
    "autoencoder": Traits(latent=True, images=True, sides=(16, 128)),
    "classifier": Traits(images=False, concept=True),
    "torch": Traits(images=None, network=CALLED),
    "torchvision": Traits(images=False, network="resnet18"),
    "exported": Traits(images=None, network="model.pt2"),
    "generator": Traits(latent=True, images=True, network=CALLED, own_images=True),
}


def _known(kind: str) -> str:
    if kind not in KINDS:
        *others, last = (f"'{name}'" for name in KINDS)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return kind


class InputParams(Section):
    """What a network that was brought along expects of an image; an empty key takes what its kind usually has."""

    size: Annotated[int, Field(ge=1)] | None = None
    """Side to which images are resized; empty: 224 for a torchvision network, else as they are."""
    mean: tuple[float, float, float] | None = None
    """Of each channel, on a scale of 0 to 1, taken off; empty: ImageNet's for a torchvision network, else .5."""
    std: tuple[Positive, Positive, Positive] | None = None
    """By which each channel is divided then; empty: ImageNet's for a torchvision network, else .5."""


class BackboneParams(Optimisation):
    """The network that is interpreted: trained here and then frozen, or brought along and never changed."""

    kind: Annotated[str, AfterValidator(_known)] = "autoencoder"
    """One of `KINDS`."""
    num_dims: Annotated[int, Field(ge=2, le=2048)] = 32
    """N, the length of an autoencoder's or a generator's latent vector."""
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 32
    """Channels of the first convolution, in eights; the deeper ones have twice and four times as many."""
    steps: Count = 1000
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Positive = 2e-3
    concept: str | None = None
    """What the classes of a classifier are: one of data.concepts. A foreign network's may be none of them."""
    network: str | None = None
    """A torchvision model's name, an importable `package.module:callable`, or a `torch.export` file, by kind; of a
    generator one of the latter two."""
    arguments: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Keyword arguments of the callable, or of torchvision's model."""
    weights: str | None = None
    """A safetensors or `weights_only` file, one in a package (`package:path/in/it`), or the name of torchvision's
    weights; empty: as the network is made."""
    output: Literal["logits", "images"] = "logits"
    """What a foreign network gives: [B, classes], or images in [−1, 1]."""
    input: InputParams = InputParams()

    @model_validator(mode="after")
    def _complete(self) -> "BackboneParams":
        if self.traits.network is not None and self.network is None:
            raise ValueError(f"backbone.network: kind '{self.kind}' needs one, such as {self.traits.network}")
        if self.traits.concept and self.concept is None:
            raise ValueError(f"backbone.concept: kind '{self.kind}' needs the concept whose classes it learns")
        return self

    @property
    def traits(self) -> Traits:
        """What its kind is like."""
        return KINDS[self.kind]

    @property
    def has_latent(self) -> bool:
        """Whether its one layer is `latent`, of `num_dims` numbers; else its layers are modules."""
        return self.traits.latent

    @property
    def draws_images(self) -> bool:
        """Whether its output is an image, which a judge can name; else logits."""
        return self.output == "images" if self.traits.images is None else self.traits.images


class JudgeParams(Optimisation):
    """A small convolutional network that names each concept of an image; its held-out accuracy is in its card."""

    width: Annotated[int, Field(ge=4, multiple_of=4)] = 24
    """Channels of the first convolution, in fours; the deeper ones have twice and four times as many."""
    steps: Count = 600
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Positive = 3e-3


class LatentsParams(Section):
    """Extraction of latents."""

    batch_size: Count = 512
    """Images that the backbone encodes at once; part of the study, as it may change the last bit of a latent."""
    reduce: Literal["mean", "none"] = "mean"
    """What of a map [C, H, W] or tokens [L, C] enters the flow: each channel's mean, or all numbers."""
    jitter: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Scale of the noise on a layer that has none of its own, in shares of each dimension's standard deviation."""
