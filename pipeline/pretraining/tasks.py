"""The kinds of network that are trained here, each with its task; the others come as they are."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.backbone.backbone import Made
from pipeline.params import BackboneParams, Params
from pipeline.pretraining.autoencoder import AutoencoderTask
from pipeline.pretraining.classifier import ClassifierTask
from pipeline.training.distributed import train_on_workers
from pipeline.training.task import ImagesSetup, Task

__all__ = ["PRETRAINING", "Pretrained", "Pretraining", "pretrain"]

Setup = ImagesSetup[BackboneParams]


@dataclass(frozen=True)
class Pretraining:
    """How the networks of a kind are trained.

    Attributes:
        task: makes the task in a worker, from the setup and the worker's device.
        measured: from its curves, the text of their file, to what the card says of it, and the same in words.
    """

    task: Callable[[Setup, torch.device], Task]
    measured: Callable[[str, BackboneParams], tuple[dict[str, Any], str]]


@dataclass(frozen=True)
class Pretrained:
    """A network after its training.

    Attributes:
        made: with its last weights, on the CPU; its card says what was measured, too.
        metrics: its curves.
        summary: what was measured, for a person.
    """

    made: Made
    metrics: str
    summary: str


def pretrain(pretraining: Pretraining, made: Made, params: Params, images: Path, storage: Path) -> Pretrained:
    """Train a network, or go on from its last checkpoint.

    Args:
        pretraining: of its kind.
        made: the network, whose weights are replaced.
        params: all sections.
        images: absolute folder of the images table.
        storage: of its checkpoints.
    """
    section = params.backbone
    setup = ImagesSetup(images, section, params.seed)
    result = train_on_workers(pretraining.task, setup, section, params.machine, storage)
    made.network.load_state_dict(result.model)
    measured, summary = pretraining.measured(result.metrics, section)
    return Pretrained(dataclasses.replace(made, card=measured | made.card), result.metrics, summary)


PRETRAINING: dict[str, Pretraining] = {
    "autoencoder": Pretraining(AutoencoderTask, AutoencoderTask.measured),
    "classifier": Pretraining(ClassifierTask, ClassifierTask.measured),
}
