"""A pack on workers: what one network alone has of them, each of its networks has."""

import json
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import torch

from pipeline.errors import InputError
from pipeline.flow_pack import FlowPack, tasks_of_seeds
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.params import MachineParams, Optimisation
from pipeline.storage.folder import Folder
from pipeline.training.checkpoints import Generation
from pipeline.training.distributed import Result, _Job, _Training, _work, start_pack
from pipeline.training.loop import train_pack
from pipeline.training.task import Member

from .small_latents import small_flow
from .small_task import hold
from .test_distributed import assert_same, killed_where_it_holds


@dataclass(frozen=True)
class Flows:
    """Flows of several seeds, one of which may diverge, or all; before step 7 the first process waits to be killed."""

    configs: tuple[FlowTaskConfig, ...]
    diverging: tuple[int, ...] = ()
    hold_file: Path | None = None


def tasks_of(flows: Flows, device: torch.device) -> list[FlowTask]:
    tasks = tasks_of_seeds(flows.configs, device)
    for index in flows.diverging:
        tasks[index].initialise = partial(_initialise_badly, tasks[index])
    if flows.hold_file:
        tasks[0].hold_file = flows.hold_file
    return tasks


def _initialise_badly(task: FlowTask) -> None:
    FlowTask.initialise(task)
    for parameter in task.model.parameters():
        parameter.data.fill_(float("inf"))


class HeldPack(FlowPack):
    """Waits where its first task says so."""

    def loss(self, model, step, part):
        if step == 7 and (file := getattr(self.members[0].task, "hold_file", None)):
            hold(file)
        return super().loss(model, step, part)


SEEDS = Optimisation(
    steps=16, batch_size=33, learning_rate=5e-3, ema_decay=0.9, log_every=4, validate_every=4, checkpoint_every=4
)


@pytest.fixture(scope="module")
def configs(tmp_path_factory):
    config = small_flow(tmp_path_factory.mktemp("latents"), num_dims=8)
    return (config, replace(config, seed=6))


@pytest.fixture(scope="module")
def alone(configs):
    """What the loop alone makes of the pack: tasks and curves."""
    torch.set_num_threads(1)
    entries = [[], []]
    tasks = tasks_of(Flows(configs), torch.device("cpu"))
    train_pack(FlowPack([Member(task, SEEDS, of.append) for task, of in zip(tasks, entries, strict=True)]))
    return tasks, entries


def trained_pack(flows: Flows, folder: Path, workers: int = 1) -> list[Result | str]:
    machine, run_folder = MachineParams(workers=workers), folder / "flows-0123"
    with start_pack(tasks_of, flows, HeldPack, SEEDS, machine, run_folder) as finish:
        return finish()


@pytest.mark.faults
def test_a_killed_worker_changes_nothing_of_a_pack_and_each_network_has_its_own_curves(configs, alone, tmp_path, capfd):
    tasks, entries = alone
    hold_file = tmp_path / "held"
    with killed_where_it_holds(hold_file):
        found = trained_pack(Flows(configs, hold_file=hold_file), tmp_path)
    for result, task, of in zip(found, tasks, entries, strict=True):
        assert [json.loads(line) for line in result.metrics.splitlines()] == of
        assert all(torch.equal(result.model[name], value) for name, value in task.model.state_dict().items())
        assert result.merit.cost == task.look()[1].cost
    assert entries[0] != entries[1]
    said = capfd.readouterr().out
    assert f"flows, 2 of 2: best at step {found[1].step} of 16" in said

    (folder,) = (tmp_path / "flows-0123").glob("gen-*")
    for path in sorted(folder.glob("step-*"))[1:]:
        shutil.rmtree(path)  # as if it had been killed earlier
    again = trained_pack(Flows(configs), tmp_path)
    assert "going on from step 12" in capfd.readouterr().out
    for result, expected in zip(again, found, strict=True):
        assert_same(result, expected)


@pytest.mark.usefixtures("importable")
def test_two_workers_train_a_pack_as_one_and_leave_out_a_network_that_diverges(configs, alone, tmp_path):
    found, failure = trained_pack(Flows(configs, diverging=(1,)), tmp_path, workers=2)
    assert failure.startswith("training diverged: ")
    curve, expected = [json.loads(line) for line in found.metrics.splitlines()], alone[1][0]
    assert curve != expected, "the sums of two halves are rounded otherwise"
    for entry, same in zip(curve, expected, strict=True):
        assert entry == pytest.approx(same, rel=2e-3, abs=2e-3)


class TooLarge(FlowPack):
    """As a GPU that is full has it."""

    def loss(self, *_: object):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("diverging", "pack", "line"),
    [
        ((0, 1), FlowPack, r"none of 2 is left: training diverged: [^\n]*"),
        ((), TooLarge, "2 networks at once do not fit into the memory of cpu; accepted are fewer"),
    ],
)
def test_a_pack_of_which_nothing_can_come_is_one_line(configs, tmp_path, diverging, pack, line):
    training = _Training(tasks_of, Flows(configs, diverging=diverging), SEEDS, pack)
    with pytest.raises(InputError, match=f"^{line}$"):
        _work("cpu", _Job(training, False, 1, Generation(Folder(tmp_path), None, 0)))
