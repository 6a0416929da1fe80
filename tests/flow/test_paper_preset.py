"""The study of the paper's preset trains the flow that the library calls so, by the optimiser of its released code."""

from pipeline.flow import FlowConfig
from pipeline.params import Params, load_params
from pipeline.study import read_study


def test_the_study_is_the_preset() -> None:
    default = load_params().model_dump()
    changed = {name: {**default[name], **section} for name, section in read_study("paper_preset").items()}
    params = Params.model_validate({**default, **changed})
    assert FlowConfig.of(params.flow, 64, 0) == FlowConfig.paper(64)
    train = params.train
    assert train.learning_rate == 4.5e-6 * train.batch_size
    assert (train.batch_size, train.betas, train.schedule) == (25, (0.5, 0.9), "constant")
    assert (train.weight_decay, train.clip, train.ema_decay) == (0, None, None)
