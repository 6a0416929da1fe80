"""Sections `backbone` and `judge`: the frozen network that is interpreted, and the one that names what images show."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticKnownError

from pipeline.params.section import Count, Optimisation, PathName, Positive, Section

__all__ = ["KINDS", "BackboneParams", "InputParams", "JudgeParams", "LatentsParams", "PcaParams", "Traits"]

CALLED = "package.module:callable"


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What section `backbone` must know of a kind of network.

    Attributes:
        latent: whether its one layer is `latent`, of `num_dims` numbers; else its layers are modules.
        images: whether it gives images, and else logits; None: `backbone.output` says what it gives.
        network: what `backbone.network` must name, by an example; None: it is trained here.
        names: what that may be: a `callable`, a `model` of torchvision or a `file` of torch.export.
        concept: whether it learns the classes of a concept, which `backbone.concept` must name.
        own_images: whether the images of the study are those that it draws.
        sides: smallest and largest side of the square images that it takes, in pixels; None: it takes any.
    """

    latent: bool = False
    images: bool | None
    network: str | None = None
    names: tuple[Literal["callable", "model", "file"], ...] = ()
    concept: bool = False
    own_images: bool = False
    sides: tuple[int, int] | None = None


KINDS = {
    "autoencoder": Traits(latent=True, images=True, sides=(16, 128)),
    "classifier": Traits(images=False, concept=True),
    "torch": Traits(images=None, network=CALLED, names=("callable",)),
    "torchvision": Traits(images=None, network="resnet18", names=("model",)),
    "exported": Traits(images=None, network="model.pt2", names=("file",)),
    "generator": Traits(latent=True, images=True, network=CALLED, names=("callable", "file"), own_images=True),
}


def _known(kind: str) -> str:
    if kind not in KINDS:
        *others, last = (f"'{name}'" for name in KINDS)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(others)} or {last}"})
    return kind


def _reduced(reduce: str) -> str:
    if reduce not in ("mean", "none") and not re.fullmatch(r"token (0|[1-9]\d*)", reduce):
        raise ValueError("input should be 'mean', 'none' or the number of a token, such as 'token 0'")
    return reduce


class InputParams(Section):
    """What a network that was brought along expects of an image; an empty key takes what its kind usually has."""

    size: Annotated[int, Field(ge=1)] | None = None
    """Side to which images are resized; empty: as torchvision's own weights want them (224), where `weights` names
    some, else as they are."""
    channels: Literal[1, 3] = 3
    """3: RGB; 1: its luminance, for a network of grey images."""
    mean: tuple[float, ...] | None = None
    """Of each channel, on a scale of 0 to 1, taken off; empty: ImageNet's for a torchvision network, else .5."""
    std: tuple[Positive, ...] | None = None
    """By which each channel is divided then; empty: ImageNet's for a torchvision network, else .5."""

    @model_validator(mode="after")
    def _one_a_channel(self) -> "InputParams":
        for name in ("mean", "std"):
            numbers = getattr(self, name)
            if numbers is not None and len(numbers) != self.channels:
                raise ValueError(
                    f"backbone.input.{name}: found {list(numbers)}, expected {self.channels}, one for each of "
                    "backbone.input.channels"
                )
        return self


class BackboneParams(Optimisation):
    """The network that is interpreted: trained here and then frozen, or brought along and never changed."""

    kind: Annotated[str, AfterValidator(_known)] = "autoencoder"
    """One of `KINDS`."""
    num_dims: Annotated[int, Field(ge=2, le=4096)] = 32
    """N, the length of an autoencoder's or a generator's latent vector."""
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 32
    """Channels of the first convolution, in eights; the deeper ones have twice and four times as many."""
    steps: Count = 1000
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Positive = 2e-3
    concept: str | None = None
    """What the classes of a classifier are: one of data.concepts. A foreign network's may be none of them."""
    network: PathName | None = None
    """A torchvision model's name, an importable `package.module:callable`, or a `torch.export` file, by kind; of a
    generator one of the latter two."""
    arguments: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Keyword arguments of the callable, or of torchvision's model."""
    weights: PathName | None = None
    """A safetensors or `weights_only` file, one in a package (`package:path/in/it`), or the name of torchvision's
    weights; empty: as the network is made."""
    class_names: PathName | None = None
    """File of what the classes are called, in the order of the logits: a name a line, or JSON of a list or of a mapping
    from number to name; empty: as the images or torchvision's weights call them."""
    output: Literal["logits", "probabilities", "values", "images"] = "logits"
    """What a foreign network gives. `logits` or `probabilities`: [B, classes], or [B, 1] or [B] that decide between two
    classes; `values`: numbers [B, …] of no class, of a regression or an embedding; or `images`."""
    output_key: str | int | None = None
    """Which entry of a dict, tuple or dataclass that it gives, dotted: `logits`, `0`, `heads.1`."""
    output_range: tuple[float, float] = (-1.0, 1.0)
    """Black and white of the images that a foreign network or a generator gives."""
    input: InputParams = InputParams()

    @model_validator(mode="after")
    def _complete(self) -> "BackboneParams":
        if self.traits.network is not None and self.network is None:
            raise ValueError(f"backbone.network: kind '{self.kind}' needs one, such as {self.traits.network}")
        if self.traits.concept and self.concept is None:
            raise ValueError(f"backbone.concept: kind '{self.kind}' needs the concept whose classes it learns")
        if self.output not in ("logits", self.gives):
            raise ValueError(f"backbone.output: found '{self.output}', but kind '{self.kind}' gives {self.gives}")
        if self.output_range[0] >= self.output_range[1]:
            raise ValueError(f"backbone.output_range: found {list(self.output_range)}, expected black below white")
        return self

    @model_validator(mode="after")
    def _classes_fit(self) -> "BackboneParams":
        if self.gives == "values" and self.concept is not None:
            raise ValueError(
                f"backbone.concept: found '{self.concept}', but backbone.output is 'values', which are no classes; "
                "expected none"
            )
        if self.gives in ("values", "images") and self.class_names is not None:
            raise ValueError(
                f"backbone.class_names: found '{self.class_names}', but the network gives {self.gives}, which have no "
                "classes; expected none"
            )
        if self.traits.network is None and self.class_names is not None:
            raise ValueError(
                f"backbone.class_names: found '{self.class_names}', but kind '{self.kind}' has its names from the "
                "images; expected none"
            )
        return self

    @property
    def traits(self) -> Traits:
        """What its kind is like."""
        return KINDS[self.kind]

    @property
    def network_is(self) -> Literal["callable", "model", "file"] | None:
        """What `network` names; where its kind takes a callable or a file, a suffix tells; None: it is trained here."""
        names = self.traits.names
        if len(names) > 1:
            return "file" if Path(str(self.network)).suffix == ".pt2" else "callable"
        return names[0] if names else None

    @property
    def has_latent(self) -> bool:
        """Whether its one layer is `latent`, of `num_dims` numbers; else its layers are modules."""
        return self.traits.latent

    @property
    def gives(self) -> str:
        """What its output is: what `output` says, or of a kind that has but one, that."""
        if self.traits.images is None:
            return self.output
        return "images" if self.traits.images else "logits"

    @property
    def draws_images(self) -> bool:
        """Whether its output is an image, which a judge can name."""
        return self.gives == "images"


class JudgeParams(Optimisation):
    """A small convolutional network that names each concept of an image; its held-out accuracy is in its card."""

    width: Annotated[int, Field(ge=4, multiple_of=4)] = 24
    """Channels of the first convolution, in fours; the deeper ones have twice and four times as many."""
    steps: Count = 600
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Positive = 3e-3


class PcaParams(Section):
    """Value of `latents.reduce` that stands for principal directions."""

    pca: Annotated[int, Field(ge=2, le=4096)]
    """How many, the first ones; of a vector, of the vector itself."""
    of: Literal["mean", "none"] = "mean"
    """Of what of a map or of tokens: of what `mean` gives, or of all numbers, as `none` does."""


class LatentsParams(Section):
    """Extraction of latents."""

    batch_size: Count = 512
    """Images that the backbone encodes at once; part of the study, as it may change the last bit of a latent."""
    reduce: Annotated[str, AfterValidator(_reduced)] | PcaParams = "mean"
    """What of a map or of tokens enters the flow: each channel's `mean`; `none`, all numbers; `token 0`, that token
    alone; or `{pca: 32}`, the first 32 principal directions of what `mean` gives, or with `of: none` of all numbers.
    All else is carried along."""
    channels: Literal["auto", "first", "last"] = "auto"
    """Which axis of a map or of tokens holds the channels: the first, as (C, H, W), or the last, as (H, W, C); `auto`
    goes by the classes of the modules, then by two equal lengths, and refuses what is not certain."""
    jitter: Annotated[float, Field(gt=0, lt=1)] = 0.05
    """Scale of the noise on a layer that has none of its own, in shares of each dimension's standard deviation."""

    @property
    def reduction(self) -> str:
        """Key `reduce` as a card names it: `mean`, `none`, `token 0`, `pca 32`, `pca 32 of none`."""
        if isinstance(self.reduce, str):
            return self.reduce
        return f"pca {self.reduce.pca}{' of none' if self.reduce.of == 'none' else ''}"
