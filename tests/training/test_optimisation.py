"""Params of each trained network to the optimisation that they state."""

from dataclasses import asdict

from pipeline.params import BackboneParams, JudgeParams, TrainParams
from pipeline.training.optimisation import train_config
from pipeline.training.task import TrainConfig


def test_every_key_of_section_train_is_used():
    params = TrainParams(
        steps=7, batch_size=5, learning_rate=0.1, schedule="cosine", betas=(0.5, 0.9), weight_decay=0.2, clip=None,
        ema_decay=0.5, log_every=1, validate_every=2, checkpoint_every=3,
    )  # fmt: skip
    default = TrainParams()
    assert not any(getattr(params, key) == getattr(default, key) for key in TrainParams.model_fields)
    assert asdict(train_config(params, 11)) == params.model_dump() | {"seed": 11, "warmup": 0}


def test_what_backbone_and_judge_do_not_say_is_the_default():
    for section in (BackboneParams, JudgeParams):
        params = section(steps=7, batch_size=5, learning_rate=0.1, weight_decay=0.2)
        stated = TrainConfig(steps=7, batch_size=5, learning_rate=0.1, weight_decay=0.2, seed=11)
        assert train_config(params, 11) == stated
