"""Sections `backbone` and `judge`: the frozen network that is interpreted, and the one that names what images show."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.section import Section

__all__ = ["BackboneParams", "JudgeParams", "LatentsParams"]

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


class BackboneParams(Section):
    """A convolutional variational autoencoder, trained and then frozen."""

    kind: Literal["autoencoder"] = "autoencoder"
    num_dims: Annotated[int, Field(ge=2, le=2048)] = 32
    """N, the length of its latent vector."""
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 32
    """Channels of the first convolution, in eights; the deeper ones have twice and four times as many."""
    steps: Count = 1000
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Positive = 2e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class JudgeParams(Section):
    """A small convolutional network that names each concept of an image; its held-out accuracy is in its card."""

    width: Annotated[int, Field(ge=4, multiple_of=4)] = 24
    """Channels of the first convolution, in fours; the deeper ones have twice and four times as many."""
    steps: Count = 600
    batch_size: Annotated[int, Field(ge=2)] = 128
    learning_rate: Positive = 3e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.01


class LatentsParams(Section):
    """Extraction of latents."""

    batch_size: Count = 512
    """Images that the backbone encodes at once; part of the study, as it may change the last bit of a latent."""
