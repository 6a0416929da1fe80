"""Section `machine`: where and how wide a study runs; no stage lists it, so it changes no result's identity."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.config.section import Section

__all__ = ["DATA_ROOT", "MachineParams"]

DATA_ROOT = "IIN_DATA_ROOT"  # the environment variable that stands in for an empty data_root


class MachineParams(Section):
    """The same study on another machine is the same study."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes a GPU where there is one."""
    workers: Annotated[int, Field(ge=1)] = 1
    """Ray Train workers of backbone and train."""
    cpus_per_worker: Annotated[int, Field(ge=1)] = 1
    gpus_per_worker: Annotated[int, Field(ge=0)] = 0
    data_root: str | None = None
    """Where torchvision's data sets lie; empty: where IIN_DATA_ROOT points, else they are downloaded."""
    storage: str = ".runs"
    """Folder of checkpoints, times and rates; relative to the project."""
