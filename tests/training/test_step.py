"""A step as a graph takes it: its number in a tensor, and nothing read from the host."""

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode  # torch has no public way to see each kernel that it runs

from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.params import Optimisation
from pipeline.training.checkpoints import State
from pipeline.training.loop import Hooks, train
from pipeline.training.parameters import FlatModel, MovingAverage, StackedModel
from pipeline.training.step import Step, Stepped, learning_rate
from pipeline.training.task import Capturable, Member
from training.small_latents import small_flow

CPU = torch.device("cpu")
CONFIG = Optimisation(
    steps=12, batch_size=32, learning_rate=5e-3, schedule="cosine", ema_decay=0.9, log_every=3, checkpoint_every=6
)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> FlowTaskConfig:
    torch.set_num_threads(1)
    return small_flow(tmp_path_factory.mktemp("latents"), num_dims=8, batch_size=32, input_noise=0.2)


class Readings(TorchDispatchMode):
    """What reads a number back from the device, or makes a shape of one."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in {"_local_scalar_dense", "nonzero", "masked_select", "unique2", "equal"}:
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def alone(base: FlowTaskConfig) -> tuple[Step, list[nn.Parameter]]:
    task = FlowTask(base, CPU)
    assert isinstance(task, Capturable)
    task.initialise()
    model = FlatModel(task.model)
    return made(task.loss, model, model.eager())


def pack(base: FlowTaskConfig) -> tuple[Step, list[nn.Parameter]]:
    tasks = [FlowTask(replace(base, seed=seed), CPU) for seed in (5, 6, 5)]
    for task in tasks:
        task.initialise()
    of = FlowPack([Member(task, CONFIG, lambda _entry: None) for task in tasks])
    return made(of.loss, StackedModel(of.model), of.model)


def made(loss: Any, model: FlatModel | StackedModel, called: nn.Module) -> tuple[Step, list[nn.Parameter]]:
    parameters = list(model.parameters())
    optimiser = torch.optim.AdamW(parameters, lr=5e-3, fused=True)
    average = MovingAverage(parameters, 0.9)
    part = slice(0, CONFIG.batch_size)
    return Step(Stepped(loss, called, model, average, optimiser, [CONFIG], part), captured=False), average.values


@pytest.mark.parametrize("kind", [alone, pack])
def test_a_step_reads_nothing_from_the_host_and_is_the_same_by_a_tensor(base: FlowTaskConfig, kind: Any) -> None:
    (by_number, numbered), (by_tensor, counted) = kind(base), kind(base)
    for step in range(4):
        figures = by_number(step)
        for group in by_tensor._of.optimiser.param_groups:
            group["lr"] = learning_rate(CONFIG, step)
        with Readings() as readings:
            others = by_tensor._take(torch.tensor(step))
        assert readings.found == []
        assert all(torch.equal(value, others[name]) for name, value in figures.items())
    assert all(torch.equal(value, other) for value, other in zip(numbered, counted, strict=True))


def trained(
    base: FlowTaskConfig, *, captured: bool, resume: State | None = None
) -> tuple[dict[str, Tensor], list[State]]:
    """A flow that was trained on the GPU, and its checkpoints."""
    task = FlowTask(base, torch.device("cuda"))
    if not captured:
        task = _Uncaptured(task)  # type: ignore[assignment]
    states: list[State] = []
    train(task, CONFIG, Hooks(checkpoint=lambda state: states.append(_copied(state))), resume)
    return {name: value.cpu() for name, value in task.model.state_dict().items()}, states


class _Uncaptured:
    """A task without what makes it `Capturable`."""

    def __init__(self, task: FlowTask) -> None:
        self.model, self.patience = task.model, task.patience
        self.initialise, self.loss, self.validate, self.look = task.initialise, task.loss, task.validate, task.look


def _copied(state: State) -> State:
    file = io.BytesIO()
    torch.save(dict(state), file)
    file.seek(0)
    copied: State = torch.load(file, weights_only=False)
    return copied


@pytest.mark.gpu
def test_a_captured_training_ends_as_one_that_is_not_and_goes_on_as_if_never_interrupted(base: FlowTaskConfig) -> None:
    whole, states = trained(base, captured=True)
    plain, _ = trained(base, captured=False)
    resumed, _ = trained(base, captured=True, resume=states[0])
    for name, value in whole.items():
        assert torch.allclose(value, plain[name], atol=1e-5), name
        assert torch.equal(value, resumed[name]), name


@pytest.mark.gpu
def test_what_cannot_be_captured_goes_on_eager_and_says_so(base: FlowTaskConfig, capsys: Any) -> None:
    class Reading(FlowTask):
        def loss(self, model: nn.Module, step: Any, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
            loss, figures = super().loss(model, step, part)
            return loss * float(loss.isfinite()), figures

    task = Reading(base, torch.device("cuda"))
    train(task, CONFIG)
    assert "can't be captured as a graph, so it goes on eager: " in capsys.readouterr().err
