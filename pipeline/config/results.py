"""Sections `evaluate` and `interpret`: what is measured and what is drawn."""

from typing import Annotated

from pydantic import Field

from pipeline.config.section import Section

__all__ = ["EvaluateParams", "InterpretParams"]

Count = Annotated[int, Field(ge=1)]


class EvaluateParams(Section):
    """How much is drawn to measure a score; all of it from the test split."""

    pairs: Annotated[int, Field(ge=100)] = 4000
    """Pairs for the likelihood and the pair correlations."""
    swaps: Annotated[int, Field(ge=100)] = 2000
    """Recipients and donors for the swap score."""
    response_draws: Count = 100
    """Edits of each kind, factor and image for the response of a classifier."""
    response_images: Count | None = None
    """Test images for it, the first by id; empty: all."""


class InterpretParams(Section):
    """Sizes of the pictures."""

    columns: Annotated[int, Field(ge=2, le=16)] = 8
    """Images in a row of a grid."""
    path_steps: Annotated[int, Field(ge=3, le=16)] = 9
    """Points of a path, its ends included."""
