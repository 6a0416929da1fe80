"""What a worker needs to make a task that learns from the images table: of the autoencoder or of the judge."""

from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from pipeline.config import BackboneParams, JudgeParams

__all__ = ["ImagesSetup"]

SectionOf = TypeVar("SectionOf", BackboneParams, JudgeParams)


@dataclass(frozen=True)
class ImagesSetup(Generic[SectionOf]):
    """What `autoencoder_task` and `judge_task` are given in each worker.

    Attributes:
        images: absolute folder of the images table, as a worker runs elsewhere.
        params: section `backbone` or `judge`.
        seed: the study's.
    """

    images: Path
    params: SectionOf
    seed: int
