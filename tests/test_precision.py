"""What lower precision in training changes, and what it does not."""

from dataclasses import replace

import pytest
import torch
from training.small_latents import small_flow

from pipeline import precision
from pipeline.errors import InputError
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.params import Optimisation
from pipeline.training.loop import Hooks, train
from pipeline.training.task import Member

CPU = torch.device("cpu")
CONFIG = Optimisation(steps=40, batch_size=64, learning_rate=5e-3, log_every=10)


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> FlowTaskConfig:
    torch.set_num_threads(1)
    return small_flow(tmp_path_factory.mktemp("latents"), num_dims=8, batch_size=64)


def bent(task: FlowTask) -> FlowTask:
    """With conditioners that do something."""
    task.initialise()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for parameter in task.model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    return task


def test_bfloat16_rounds_the_training_and_nothing_that_is_measured(config: FlowTaskConfig) -> None:
    exact, rounded = (bent(FlowTask(replace(config, precision=kind), CPU)) for kind in ("highest", "bfloat16"))
    of_exact, of_rounded = (task.loss(task.model, 3, slice(None))[0] for task in (exact, rounded))
    assert of_rounded.dtype == torch.float32
    assert 0 < (of_exact - of_rounded).abs() < 0.05
    with precision.of_conditioners("bfloat16", CPU):
        code, log_abs_det = rounded.model(torch.ones(4, 8))
    assert code.dtype == log_abs_det.dtype == torch.float32
    assert rounded.look()[0] == exact.look()[0]


def test_a_training_in_bfloat16_learns_in_float32(config: FlowTaskConfig) -> None:
    task = FlowTask(replace(config, precision="bfloat16"), CPU)
    entries: list[dict[str, float]] = []
    train(task, CONFIG, Hooks(log=entries.append))
    assert {value.dtype for value in task.model.parameters()} == {torch.float32}
    losses = [entry["train/pair_nats"] for entry in entries if "train/pair_nats" in entry]
    assert losses[-1] < losses[0]


def test_a_pack_rounds_as_its_flows_do(config: FlowTaskConfig) -> None:
    tasks = [FlowTask(replace(config, precision="bfloat16", seed=seed), CPU) for seed in (5, 6)]
    for task in tasks:
        bent(task)
    pack = FlowPack([Member(task, CONFIG, lambda _entry: None) for task in tasks])
    losses, _ = pack.loss(pack.model, 3, slice(None))
    for loss, task in zip(losses, tasks, strict=True):
        assert loss.item() == pytest.approx(task.loss(task.model, 3, slice(None))[0].item(), abs=0.02)


def test_tf32_needs_a_device_that_has_it() -> None:
    line = r"params\.yaml: train\.precision: found 'tf32' on a CPU, which has none; accepted there are 'highest'"
    with pytest.raises(InputError, match=line):
        precision.begin("tf32", CPU)
    precision.begin("highest", CPU)
    with precision.in_float32():
        assert torch.get_float32_matmul_precision() == "highest"
