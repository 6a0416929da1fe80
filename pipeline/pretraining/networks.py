"""The networks that are trained here, through Ray Train, by the kind that section `backbone` names."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from pipeline.backbone.autoencoder import Autoencoder
from pipeline.backbone.classifier import Classifier
from pipeline.params import Params
from pipeline.pretraining.autoencoder import autoencoder_task
from pipeline.pretraining.classifier import classifier_task
from pipeline.tables.parquet import SPLITS, read_schema
from pipeline.training.distributed import train_with_ray
from pipeline.training.task import ImagesSetup

__all__ = ["TrainedBackbone", "train_backbone"]


@dataclass(frozen=True)
class TrainedBackbone:
    """A network after its training.

    Attributes:
        network: with its last weights, on the CPU.
        card: what was measured of it.
        metrics: its curves.
        summary: the same, for a person.
    """

    network: nn.Module
    card: dict[str, Any]
    metrics: str
    summary: str


def train_backbone(params: Params, images: Path, storage: Path) -> TrainedBackbone:
    """Train an autoencoder or a classifier, or go on from its last checkpoint.

    Args:
        params: all sections; `backbone` says which.
        images: absolute folder of the images table.
        storage: of its checkpoints.
    """
    section = params.backbone
    setup = ImagesSetup(images, section, params.seed)
    if section.kind == "autoencoder":
        result = train_with_ray(autoencoder_task, setup, section, params.machine, storage)
        network: nn.Module = Autoencoder(section.num_dims, section.width, params.seed)
        error = json.loads(result.metrics.splitlines()[-1])["val/squared_error"]
        card: dict[str, Any] = {"val_squared_error": error}
        summary = f"squared error of a held-out image {error:.4g}"
    else:
        result = train_with_ray(classifier_task, setup, section, params.machine, storage)
        network = Classifier(len(result.model["head.bias"]), section.width, params.seed)
        accuracy = json.loads(result.metrics.splitlines()[-1])["val/accuracy"]
        card = {"concept": section.concept, "val_accuracy": accuracy}
        if names := read_schema(images / f"{SPLITS[0]}.parquet")[1].get("class_names", {}).get(section.concept):
            card["class_names"] = names
        summary = f"balanced accuracy of '{section.concept}' on held-out images {accuracy:.3f}"
    network.load_state_dict(result.model)
    return TrainedBackbone(network, card, result.metrics, summary)
