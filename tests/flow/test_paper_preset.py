"""The study of the paper's preset trains the flow that the library calls so, by the optimiser of its released code."""

from dataclasses import replace

from pipeline.flow import FlowConfig
from pipeline.flow_task import flow_config
from pipeline.params import Params, load_params
from pipeline.study import read_study
from pipeline.training.optimisation import train_config


def test_the_study_is_the_preset() -> None:
    default = load_params().model_dump()
    changed = {name: {**default[name], **section} for name, section in read_study("paper_preset").items()}
    params = Params.model_validate({**default, **changed})
    found = flow_config(params.flow, 64, params.seed)
    assert replace(found, seed=0) == FlowConfig.paper(64)
    train = train_config(params.train, 0)
    assert train.learning_rate == 4.5e-6 * train.batch_size
    assert (train.batch_size, train.betas, train.schedule) == (25, (0.5, 0.9), "constant")
    assert (train.weight_decay, train.clip, train.ema_decay) == (0, None, None)
