"""From a section of params.yaml to the optimisation of its network: the same for backbone, judge and flow."""

from dataclasses import fields

from pipeline.params import BackboneParams, JudgeParams, TrainParams
from pipeline.training.task import TrainConfig

__all__ = ["train_config"]


def train_config(params: BackboneParams | JudgeParams | TrainParams, seed: int) -> TrainConfig:
    """Optimisation as section `backbone`, `judge` or `train` says it; what it does not say is `TrainConfig`'s default.

    Args:
        params: a section that has at least steps, batch size and learning rate.
        seed: the study's.
    """
    stated = {key: value for key, value in params if key in {field.name for field in fields(TrainConfig)}}
    return TrainConfig(**stated, seed=seed)
