"""When a step is compiled, that a run keeps to its choice, and that a compiled flow gives what an eager one gives."""

import copy
import shutil
from functools import partial

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend  # what torch counts compilations with in its own tests

from pipeline.flow import Flow, FlowConfig, latent_nats
from pipeline.params import MachineParams
from pipeline.storage.folder import Folder
from pipeline.training import parameters as flat
from pipeline.training.checkpoints import newest_checkpoint, read_checkpoint, write_checkpoint
from pipeline.training.compiling import CompiledModel, prefers_compiling, why_not
from pipeline.training.distributed import _chooses_compiling, train_on_workers
from pipeline.training.loop import Hooks, train
from pipeline.training.parameters import FlatModel
from pipeline.workers.launch import launching

from .small_task import CONFIG, SmallConfig, SmallTask

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="needs the Debian package g++")


@pytest.fixture
def counter(monkeypatch):
    """Counts what is compiled, by a backend that needs no C++ compiler."""
    torch.compiler.reset()
    counter = CompileCounterWithBackend("aot_eager")
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=counter))
    return counter


def test_the_choice_follows_from_the_steps_in_all_and_a_checkpoint_keeps_it():
    assert [prefers_compiling(steps, 100, None) for steps in (99, 100, 101)] == [False, True, True]
    assert not prefers_compiling(10**9, None, None)
    assert prefers_compiling(99, 100, {"step": 50, "compiled": True})
    assert not prefers_compiling(101, 100, {"step": 50, "compiled": False})


def run(resume=None, config=CONFIG, *, compile_step):
    task, entries, states = SmallTask(SmallConfig(), torch.device("cpu")), [], []
    hooks = Hooks(log=entries.append, checkpoint=lambda state: states.append(copy.deepcopy(state)))
    train(task, config, hooks, resume, compile_step=compile_step)
    return task.model.state_dict(), entries, states


@pytest.mark.parametrize("large", [flat.LARGE, 64])
@pytest.mark.parametrize("config", [CONFIG, CONFIG.changed(ema_decay=0.5)])
def test_a_compiled_run_resumes_bit_for_bit_and_agrees_with_an_eager_one(counter, config, large, monkeypatch):
    monkeypatch.setattr(flat, "LARGE", large)
    eager, entries_eager, states_eager = run(config=config, compile_step=False)
    assert counter.frame_count == 0
    whole, entries, states = run(config=config, compile_step=True)
    assert counter.frame_count == 1
    assert [state["compiled"] for state in (states_eager[0], states[0])] == [False, True]
    resumed, later, _ = run(states[1], config, compile_step=True)
    assert later == [entry for entry in entries if entry["step"] > states[1]["step"]]
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name
        torch.testing.assert_close(eager[name], value, rtol=1e-3, atol=1e-4)
    for entry, expected in zip(entries, entries_eager, strict=True):
        assert entry == pytest.approx(expected, rel=1e-3)


def test_each_shape_of_inputs_is_compiled_once_for_the_parameters_as_they_are(counter):
    network = torch.nn.Linear(3, 2)
    model = CompiledModel(network)
    for rows in (4, 5, 4, 5):
        with torch.no_grad():
            network.weight += 1
        x = torch.randn(rows, 3)
        torch.testing.assert_close(model(x), network(x))
    assert counter.frame_count == 2
    assert list(model.parameters()) == []


def test_autocast_and_the_type_of_inputs_hold_as_in_the_network_itself(counter):
    flow = Flow(FlowConfig(6, num_blocks=2, width=16, start="random", zero_init=False))
    z = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    flow.initialise(z)
    model = CompiledModel(flow)
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            for found, expected in zip(model(z), flow(z), strict=True):
                assert found.dtype == torch.float32
                torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    flow.double()
    torch.testing.assert_close(model(z.double()), flow(z.double()))
    assert counter.frame_count == 3


def test_without_a_working_compiler_a_run_is_eager_and_says_so_in_one_line(tmp_path, capsys, monkeypatch):
    folder = write_checkpoint(Folder(tmp_path), {"step": 1, "compiled": True})
    monkeypatch.setattr("pipeline.training.distributed.why_not", without_compiler)
    with launching(MachineParams(device="cpu"), Folder(tmp_path)) as launcher:
        assert not _chooses_compiling(9, None, folder, "train latent", launcher)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("train latent: runs eager, as a compiled step needs a working C++ compiler (Debian: g++): ")
    assert "no-such-compiler" in line
    assert not _chooses_compiling(4, 5, None, "train latent", launcher)
    assert capsys.readouterr().out == ""


def without_compiler(device):
    """What `why_not` finds on a machine without one; runs in a worker."""
    # a compiler that is absent cannot be had through public names
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}):
        return why_not(device)


@pytest.mark.system
@needs_compiler
def test_workers_compile_a_run_that_is_long_enough_and_the_checkpoint_says_so(tmp_path, capsys):
    found = train_on_workers(
        SmallTask, SmallConfig(), CONFIG, MachineParams(), tmp_path / "small-0123", compile_from=CONFIG.steps
    )
    assert capsys.readouterr().out.startswith("small: 1 worker(s) on cpu, compiled\n")
    checkpoint = newest_checkpoint(found.folder)
    assert read_checkpoint(checkpoint)["compiled"]
    eager, _, _ = run(compile_step=False)
    assert any(not torch.equal(found.model[name], value) for name, value in eager.items()), "other last bits"
    for name, value in eager.items():
        torch.testing.assert_close(found.model[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.system
@needs_compiler
def test_a_flow_compiled_by_inductor_gives_the_same_losses_and_gradients():
    torch.set_num_threads(1)
    torch.compiler.reset()
    flow = Flow(FlowConfig(5, num_blocks=1, width=8, start="random", zero_init=False))
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(30, 5, generator=generator)
    flow.initialise(z)
    outcomes = []
    for compiled in (False, True):
        model = FlatModel(flow)
        code, log_abs_det = (CompiledModel(model) if compiled else model)(z)
        latent_nats(code, log_abs_det).mean().backward()
        outcomes.append((code.detach(), log_abs_det.detach(), model.flat.grad))
    torch.testing.assert_close(outcomes[0], outcomes[1], rtol=0, atol=1e-5)


@pytest.mark.system
@needs_compiler
@torch.no_grad()
def test_a_flow_and_its_inverse_compiled_by_inductor_as_a_user_would():
    torch.set_num_threads(1)
    torch.compiler.reset()
    flow = Flow(FlowConfig(5, num_blocks=1, width=8, start="random", zero_init=False))
    z = torch.randn(30, 5, generator=torch.Generator().manual_seed(0))
    flow.initialise(z)
    code, log_abs_det = torch.compile(flow, fullgraph=True)(z)
    torch.testing.assert_close((code, log_abs_det), flow(z), rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.compile(flow.inverse, fullgraph=True)(code), z, rtol=0, atol=1e-5)
