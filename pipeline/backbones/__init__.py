"""Networks: the autoencoder that is trained and frozen, and the judge that names what an image shows."""

from pipeline.backbones.autoencoder import Autoencoder, AutoencoderTask, autoencoder_task
from pipeline.backbones.frozen import Backbone, load_backbone, save_backbone
from pipeline.backbones.judge import (
    Judge,
    JudgeNet,
    JudgeTask,
    heads_of,
    judge_task,
    load_judge,
    save_judge,
)
from pipeline.backbones.setup import ImagesSetup

__all__ = [
    "Autoencoder",
    "AutoencoderTask",
    "Backbone",
    "ImagesSetup",
    "Judge",
    "JudgeNet",
    "JudgeTask",
    "autoencoder_task",
    "heads_of",
    "judge_task",
    "load_backbone",
    "load_judge",
    "save_backbone",
    "save_judge",
]
