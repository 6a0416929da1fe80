"""Networks: the autoencoder that is trained and frozen, and the judge that names what an image shows."""

from pipeline.backbones.autoencoder import Autoencoder, AutoencoderTask
from pipeline.backbones.frozen import Backbone, load_backbone, save_backbone
from pipeline.backbones.judge import Judge, JudgeNet, JudgeTask, load_judge, save_judge

__all__ = [
    "Autoencoder",
    "AutoencoderTask",
    "Backbone",
    "Judge",
    "JudgeNet",
    "JudgeTask",
    "load_backbone",
    "load_judge",
    "save_backbone",
    "save_judge",
]
