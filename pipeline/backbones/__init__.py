"""Networks: those that are interpreted, trained here or brought along, and the judge that names what an image shows."""

from pipeline.backbones.autoencoder import Autoencoder, AutoencoderTask, autoencoder_task
from pipeline.backbones.brought import bring_backbone, open_generator
from pipeline.backbones.classifier import Classifier
from pipeline.backbones.frozen import Backbone, load_backbone, save_backbone
from pipeline.backbones.generator import GeneratorSplit
from pipeline.backbones.judge import (
    Judge,
    JudgeNet,
    JudgeTask,
    heads_of,
    judge_task,
    load_judge,
    save_judge,
    save_no_judge,
)
from pipeline.backbones.reduce import Reduce
from pipeline.backbones.setup import ImagesSetup
from pipeline.backbones.split import Split, outputs

__all__ = [
    "Autoencoder",
    "AutoencoderTask",
    "Backbone",
    "Classifier",
    "GeneratorSplit",
    "ImagesSetup",
    "Judge",
    "JudgeNet",
    "JudgeTask",
    "Reduce",
    "Split",
    "autoencoder_task",
    "bring_backbone",
    "heads_of",
    "judge_task",
    "load_backbone",
    "load_judge",
    "open_generator",
    "outputs",
    "save_backbone",
    "save_judge",
    "save_no_judge",
]
