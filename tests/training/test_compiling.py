"""When a step is compiled, that a run keeps to its choice, and that a compiled flow gives what an eager one gives."""

import shutil

import pytest
import torch

from pipeline.flow import Flow, FlowConfig, latent_nats
from pipeline.training import compiling
from pipeline.training.checkpoints import write_checkpoint
from pipeline.training.compiling import compiled, prefers_compiling, why_not
from pipeline.training.distributed import _chooses_compiling
from pipeline.training.flat import FlatModel
from pipeline.training.loop import Hooks, train

from .small_task import CONFIG, SmallConfig, SmallTask


@pytest.fixture
def without_inductor(monkeypatch):
    torch.compiler.reset()
    monkeypatch.setattr(compiling, "BACKEND", "aot_eager")


def test_the_choice_follows_from_the_steps_in_all_and_a_checkpoint_keeps_it():
    assert [prefers_compiling(steps, 100, None) for steps in (99, 100, 101)] == [False, True, True]
    assert not prefers_compiling(10**9, None, None)
    assert prefers_compiling(99, 100, {"step": 50, "compiled": True})
    assert not prefers_compiling(101, 100, {"step": 50, "compiled": False})


def run(resume=None, *, compile_step):
    task, entries, states = SmallTask(SmallConfig(), torch.device("cpu")), [], []

    def checkpoint(state):
        states.append(
            {
                "step": state["step"],
                "compiled": state["compiled"],
                "model": {name: value.clone() for name, value in state["model"].items()},
                "optimiser": {
                    "param_groups": state["optimiser"]["param_groups"],
                    "state": {0: {name: value.clone() for name, value in state["optimiser"]["state"][0].items()}},
                },
            }
        )

    train(task, CONFIG, Hooks(log=entries.append, checkpoint=checkpoint), resume, compile_step=compile_step)
    return task.model.state_dict(), entries, states


@pytest.mark.usefixtures("without_inductor")
def test_a_compiled_run_resumes_bit_for_bit_and_agrees_with_an_eager_one():
    eager, entries_eager, states_eager = run(compile_step=False)
    whole, entries, states = run(compile_step=True)
    assert [state["compiled"] for state in (states_eager[0], states[0])] == [False, True]
    resumed, later, _ = run(states[1], compile_step=True)
    assert later == [entry for entry in entries if entry["step"] > states[1]["step"]]
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name
        torch.testing.assert_close(eager[name], value, rtol=1e-3, atol=1e-4)
    for entry, expected in zip(entries, entries_eager, strict=True):
        assert entry == pytest.approx(expected, rel=1e-3)


def test_without_a_working_compiler_a_run_is_eager_and_says_so_in_one_line(tmp_path, capsys):
    folder = write_checkpoint(tmp_path, {"step": 1, "compiled": True})
    with torch._inductor.config.patch({"cpp.cxx": ("no-such-compiler",)}):
        assert not _chooses_compiling(5, 5, None, "train latent")
        assert not _chooses_compiling(9, None, folder, "train latent")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(
            "train latent: runs eager, as a compiled step needs a working C++ compiler (Debian: g++)"
        )
    assert not _chooses_compiling(4, 5, None, "train latent")
    assert capsys.readouterr().out == ""


@pytest.mark.system
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs the Debian package g++")
def test_a_flow_compiled_by_inductor_gives_the_same_losses_and_gradients():
    torch.set_num_threads(1)
    assert why_not() is None
    torch.compiler.reset()
    flow = Flow(FlowConfig(5, num_blocks=1, width=8, zero_init=False))
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(30, 5, generator=generator)
    flow.initialise(z)
    outcomes = []
    for wrap in (lambda model: model, compiled):
        model = FlatModel(flow)
        code, log_abs_det = wrap(model)(z)
        latent_nats(code, log_abs_det).mean().backward()
        outcomes.append((code.detach(), log_abs_det.detach(), model.flat.grad))
    torch.testing.assert_close(outcomes[0], outcomes[1], rtol=0, atol=1e-5)
