"""The loop on a small task, without Ray: resume, schedule, parts, an early end, divergence."""

from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from multiprocessing import get_context

import pytest
import torch
import torch.distributed as dist

from pipeline.errors import InputError
from pipeline.training import parameters as flat
from pipeline.training.loop import Hooks, part_of, train
from pipeline.training.step import learning_rate

from .small_task import CONFIG, UNSTEADY, JudgedTask, SmallConfig, SmallTask


def own(state):
    """Of the one network that is trained."""
    (member,) = state["members"]
    return member


def run(config=CONFIG, resume=None, task_class=SmallTask):
    """Trained task, entries of its curves, and its checkpoints as they were written."""
    torch.set_num_threads(1)
    task, entries, states = task_class(SmallConfig(), torch.device("cpu")), [], []

    def checkpoint(state):
        optimiser = {"state": {k: {n: v.clone() for n, v in s.items()} for k, s in state["optimiser"]["state"].items()}}
        model = {name: value.clone() for name, value in own(state)["model"].items()}
        members = [own(state) | {"model": model}]
        states.append(state | {"members": members, "optimiser": state["optimiser"] | optimiser})

    train(task, config, Hooks(log=entries.append, checkpoint=checkpoint), resume)
    return task, entries, states


def test_training_learns_and_logs():
    task, entries, states = run()
    assert [state["step"] for state in states] == [10, 20, 30, 40]
    assert [entry["step"] for entry in entries if "train/squared_error" in entry] == [5, 10, 15, 20, 25, 30, 35, 40]
    held_out = [entry["val/squared_error"] for entry in entries if "val/squared_error" in entry]
    assert len(held_out) == 4
    assert held_out[-1] < 0.8 * task_error_at_start()
    assert not task.model.training


def task_error_at_start() -> float:
    task = SmallTask(SmallConfig(), torch.device("cpu"))
    task.initialise()
    return task.validate()["squared_error"]


AVERAGED = CONFIG.changed(ema_decay=0.5)  # below (1 + n) / (10 + n) from step 8 on


@pytest.mark.parametrize("large", [flat.LARGE, 64])
@pytest.mark.parametrize("config", [CONFIG, AVERAGED])
@pytest.mark.parametrize("checkpoint", [0, 2])
def test_a_resumed_run_ends_in_the_same_weights_bit_for_bit(checkpoint, config, large, monkeypatch):
    monkeypatch.setattr(flat, "LARGE", large)
    whole, entries, states = run(config)
    resumed, later, _ = run(config, resume=states[checkpoint])
    for name, value in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], value)
    assert later == [entry for entry in entries if entry["step"] > states[checkpoint]["step"]]


@pytest.mark.parametrize("config", [UNSTEADY, UNSTEADY.changed(ema_decay=0.5)])
@pytest.mark.parametrize("patience", [None, 2])
def test_a_judged_run_ends_as_its_best_step_and_a_resumed_one_in_the_same_weights(config, patience, monkeypatch):
    monkeypatch.setattr(JudgedTask, "patience", patience)
    whole, entries, states = run(config, task_class=JudgedTask)
    looks = {entry["step"]: entry["val/squared_error"] for entry in entries if "val/squared_error" in entry}
    assert list(looks) == list(range(0, states[-1]["step"] + 1, 10))
    best = min(looks, key=looks.get)
    assert 0 < best < states[-1]["step"]
    assert states[-1]["step"] == (best + 20 if patience else 80)
    assert whole.validate()["squared_error"] == looks[best]
    assert own(states[-1])["best"]["step"] == best
    assert not torch.equal(whole.model[0].weight, own(states[-1])["model"]["0.weight"])
    for state in states:
        resumed, later, after = run(config, state, JudgedTask)
        assert all(
            torch.equal(resumed.model.state_dict()[name], value)
            for name, value in own(states[-1])["best"]["model"].items()
        )
        assert later == [entry for entry in entries if entry["step"] > state["step"]]
        assert [other["step"] for other in after] == [
            other["step"] for other in states if other["step"] > state["step"]
        ]


def test_a_beginning_that_no_step_betters_is_kept():
    ruined = CONFIG.changed(learning_rate=30.0)
    task, _, states = run(ruined, task_class=JudgedTask)
    start = SmallTask(SmallConfig(), torch.device("cpu"))
    start.initialise()
    assert own(states[-1])["best"]["step"] == 0
    assert all(torch.equal(task.model.state_dict()[name], value) for name, value in start.model.state_dict().items())


@pytest.mark.parametrize("log_every", [1000, 7])
def test_a_run_that_ends_early_has_a_training_point_at_its_last_step_as_the_run_that_does_not(log_every):
    config = UNSTEADY.changed(log_every=log_every)
    _, entries, states = run(config, task_class=JudgedTask)
    end = states[-1]["step"]
    assert end < config.steps
    assert end % log_every
    trained = [entry for entry in entries if "train/squared_error" in entry]
    assert [entry["step"] for entry in trained] == [*range(log_every, end, log_every), end]
    assert [list(entry)[1].partition("/")[0] for entry in entries[-2:]] == ["train", "val"]
    every_step = run(UNSTEADY.changed(log_every=1))[1]
    assert all(entry in every_step for entry in trained)


def test_a_resumed_run_does_need_the_optimisers_state():
    whole, _, states = run()
    fresh = run()[2][2] | {"optimiser": states[0]["optimiser"]}
    resumed, _, _ = run(resume=fresh)
    assert not torch.equal(resumed.model[0].weight, whole.model[0].weight)


def test_the_last_step_always_validates_and_leaves_a_checkpoint():
    _, entries, states = run(CONFIG.changed(steps=13))
    assert states[-1]["step"] == 13
    assert [entry["step"] for entry in entries if "val/squared_error" in entry] == [10, 13]
    assert entries[-2]["step"] == 13


def test_the_first_batch_initialises_once():
    _, _, states = run(CONFIG.changed(steps=1, learning_rate=1e-30, checkpoint_every=1))
    task = SmallTask(SmallConfig(), torch.device("cpu"))
    task.initialise()
    assert torch.equal(own(states[0])["model"]["0.bias"], task.model[0].bias)


def test_a_cosine_falls_from_the_rate_to_nothing():
    config = CONFIG.changed(steps=100, learning_rate=2.0)
    rates = [learning_rate(config, step) for step in range(100)]
    assert rates[0] == 2.0
    assert rates[50] == pytest.approx(1.0)
    assert rates == sorted(rates, reverse=True)
    assert rates[99] < 0.001


def test_a_constant_learning_rate_stays():
    config = CONFIG.changed(steps=100, learning_rate=2.0, schedule="constant")
    assert [learning_rate(config, step) for step in (0, 50, 99)] == [2.0, 2.0, 2.0]


def by_hand(config, betas, clip):
    """The parameters that plain Adam (no decay, constant rate) gives, written out from its definition."""
    task = SmallTask(SmallConfig(), torch.device("cpu"))
    task.initialise()
    parameters = list(task.model.parameters())
    first, second = ([torch.zeros_like(parameter) for parameter in parameters] for _ in range(2))
    for step in range(config.steps):
        loss, _ = task.loss(task.model, step, slice(0, config.batch_size))
        gradients = torch.autograd.grad(loss, parameters)
        norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
        shrink = min(1.0, clip / norm.item())
        for parameter, gradient, m, v in zip(parameters, gradients, first, second, strict=True):
            m.mul_(betas[0]).add_((1 - betas[0]) * shrink * gradient)
            v.mul_(betas[1]).add_((1 - betas[1]) * (shrink * gradient).square())
            m_hat, v_hat = m / (1 - betas[0] ** (step + 1)), v / (1 - betas[1] ** (step + 1))
            parameter.data.sub_(config.learning_rate * m_hat / (v_hat.sqrt() + 1e-8))
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


def test_betas_schedule_decay_and_clip_are_those_of_the_config():
    config = CONFIG.changed(steps=20, schedule="constant", betas=(0.5, 0.9), weight_decay=0.0, clip=None)

    def trained(config):
        return torch.cat([parameter.detach().flatten() for parameter in run(config)[0].model.parameters()])

    torch.testing.assert_close(trained(config), by_hand(config, (0.5, 0.9), float("inf")), rtol=1e-4, atol=1e-5)
    clipped = config.changed(clip=0.3)  # below most of the norms, so that each step is shrunk by another share
    torch.testing.assert_close(trained(clipped), by_hand(config, (0.5, 0.9), 0.3), rtol=1e-4, atol=1e-5)
    for other in (clipped, config.changed(betas=(0.9, 0.999)), config.changed(schedule="cosine")):
        assert (trained(other) - trained(config)).abs().max() > 1e-3


def weights(model):
    return torch.cat([value.flatten() for value in model.values()])


def test_a_run_ends_as_the_moving_average_of_what_a_run_without_it_passes_through():
    every_step = {"checkpoint_every": 1, "validate_every": 1}
    _, _, steps = run(CONFIG.changed(**every_step))
    task, entries, states = run(AVERAGED.changed(**every_step))
    start = SmallTask(SmallConfig(), torch.device("cpu"))
    start.initialise()
    average = weights(start.model.state_dict()).double()
    for done, (plain, state) in enumerate(zip(steps, states, strict=True), 1):
        decay = min(0.5, (1 + done) / (10 + done))
        average = decay * average + (1 - decay) * weights(own(plain)["model"]).double()
        assert torch.equal(torch.cat([part.flatten() for part in own(state)["last"]]), weights(own(plain)["model"]))
        torch.testing.assert_close(weights(own(state)["model"]).double(), average, rtol=0, atol=1e-6)
    assert torch.equal(weights(task.model.state_dict()), weights(own(states[-1])["model"]))
    held_out = [entry["val/squared_error"] for entry in entries if "val/squared_error" in entry]
    assert held_out[-1] == task.validate()["squared_error"]


@pytest.mark.parametrize(("batch_size", "world"), [(7, 2), (8, 3), (5, 5), (1, 1)])
def test_parts_cover_the_batch_once(batch_size, world):
    parts = [list(range(batch_size))[part_of(batch_size, rank, world)] for rank in range(world)]
    assert [example for part in parts for example in part] == list(range(batch_size))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_batch_smaller_than_the_workers_is_refused():
    with pytest.raises(ValueError, match="a batch of 2 cannot be shared by 3 workers"):
        part_of(2, 0, 3)


def test_divergence_is_one_line():
    with pytest.raises(InputError, match=r"training diverged: squared_error is (nan|inf) at step \d+"):
        run(CONFIG.changed(learning_rate=1e30, clip=1e30))


AT_A_LOOK = CONFIG.changed(learning_rate=1e30, clip=1e30, log_every=1000)


@pytest.mark.parametrize("task_class", [SmallTask, JudgedTask])
def test_divergence_that_held_out_rows_show_first_is_the_same_line(task_class):
    with pytest.raises(InputError, match=r"^training diverged: squared_error is (nan|inf) at step 10; accepted are "):
        run(AT_A_LOOK, task_class=task_class)


def of_two_workers(rank: int, meet: str) -> tuple[str, list[int]]:
    """The line that a worker ends with, and the steps of its training curve where nothing diverges."""
    timeout = timedelta(seconds=60)  # only a failure waits so long
    dist.init_process_group("gloo", init_method=f"file://{meet}", rank=rank, world_size=2, timeout=timeout)
    with pytest.raises(InputError) as error:
        run(AT_A_LOOK, task_class=JudgedTask)
    _, entries, _ = run(UNSTEADY.changed(log_every=1000), task_class=JudgedTask)
    dist.destroy_process_group()
    return str(error.value), [entry["step"] for entry in entries if "train/squared_error" in entry]


def test_what_rank_0_alone_sees_in_held_out_rows_ends_two_workers_alike(tmp_path):
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        (line, steps), (other_line, of_other) = pool.map(partial(of_two_workers, meet=str(tmp_path / "meet")), range(2))
    assert line == other_line
    assert "training diverged: squared_error is" in line
    assert len(steps) == 1
    assert steps[0] < UNSTEADY.steps
    assert of_other == []
