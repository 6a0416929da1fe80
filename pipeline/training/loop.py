"""The training loop, for one worker or many: torch only, and nothing of Ray.

The state of a run is the model, its moving average and its best step where they are kept, the optimiser and the number
of steps done, nothing else: the learning rate and every draw are functions of the step. So a run that resumes from a
state ends in the same weights, bit for bit with one worker, as one that was never interrupted. Whether its step is
compiled is chosen by the caller and kept in the state.
"""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.params import Optimisation
from pipeline.training.best import BestStep, Judged
from pipeline.training.checkpoints import State
from pipeline.training.compiling import CompiledModel
from pipeline.training.parameters import FlatModel, MovingAverage
from pipeline.training.task import Task

__all__ = ["Hooks", "from_rank_0", "learning_rate", "part_of", "rank_and_world", "train"]

Found = TypeVar("Found")


@dataclass(frozen=True)
class Hooks:
    """What happens beside the steps; by default nothing.

    Attributes:
        log: called by rank 0 with each entry of the curves: {"step": 20, "train/loss": 0.5, …}, and
            {"step": 200, "val/loss": 0.6}.
        checkpoint: called by every rank with the state after a step.
    """

    log: Callable[[dict[str, float]], None] = lambda _entry: None
    checkpoint: Callable[[State], None] = lambda _state: None


def train(
    task: Task,
    config: Optimisation,
    hooks: Hooks | None = None,
    resume: State | None = None,
    *,
    compile_step: bool = False,
) -> None:
    """Train `task.model` in place, from its beginning or from a state that `hooks.checkpoint` was given.

    With `config.ema_decay` it ends as the moving average of its parameters, which is also what is validated. A task
    that is `Judged` ends as the best of the steps validated, of which its beginning is one.

    Where a torch.distributed process group is there, each of its processes calls this and takes its part of the batch.

    Args:
        task: the network and its data.
        config: optimisation.
        hooks: what happens beside the steps.
        resume: the state to go on from.
        compile_step: whether to compile the model's forward and backward pass; an eager run ends in other last bits.

    Raises:
        InputError: the loss, its gradient or a figure of the validation rows is not finite, which no later step can
            mend, or the task refuses what it meets in them; on every worker alike.
    """
    hooks = hooks or Hooks()
    rank, world = rank_and_world()
    part = part_of(config.batch_size, rank, world)
    weight = (part.stop - part.start) * world / config.batch_size  # the mean over workers is then that over examples
    step = resume["step"] if resume else 0
    if resume:
        task.model.load_state_dict(resume["model"])
    else:
        task.initialise()
    _share_model(task, world)  # workers of unlike machines may round a start differently
    model = FlatModel(task.model)
    parameters = list(model.parameters())
    average = None if config.ema_decay is None else MovingAverage(parameters, config.ema_decay)
    if resume and average:
        for parameter, value in zip(parameters, resume["last"] or (), strict=True):
            parameter.data.copy_(value)
    optimiser = _AdamW(
        parameters, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay, fused=True
    )
    if resume:
        optimiser.load_state_dict(resume["optimiser"])
    step_model = CompiledModel(model) if compile_step else model.eager()
    best = BestStep(task.patience, resume["best"] if resume else None) if isinstance(task, Judged) else None
    if best and not resume:
        held_out, _ = _found_by_rank_0(partial(_look, task, best, 0), rank)
        if rank == 0:
            hooks.log({"step": 0} | _named("val", held_out))
    ended = best is not None and best.ended
    task.model.train()
    for done in range(step + 1, step + 1 if ended else config.steps + 1):
        rate = learning_rate(config, done - 1)
        for group in optimiser.param_groups:
            group["lr"] = rate
        loss, figures = task.loss(step_model, done - 1, part)
        model.zero_grad()
        (loss * weight).backward()
        _average_over_workers(parameters, world)
        norm = nn.utils.clip_grad_norm_(parameters, math.inf if config.clip is None else config.clip)
        optimiser.step()
        if average:
            average.update(done)
        looks = _due(done, config.validate_every, config.steps)
        if looks:  # first, as it says whether this step is the last one
            with average.in_place() if average else nullcontext():
                held_out, ended = _found_by_rank_0(partial(_look, task, best, done), rank)
        if ended or _due(done, config.log_every, config.steps):
            entry = _mean_over_workers({**figures, "gradient_norm": norm}, weight)
            _require_finite(entry, done)
            if rank == 0:
                hooks.log({"step": done} | _named("train", {**entry, "learning_rate": rate}))
        if looks and rank == 0:
            hooks.log({"step": done} | _named("val", held_out))
        if ended or _due(done, config.checkpoint_every, config.steps):
            with average.in_place() if average else nullcontext() as last:
                model_state, optimiser_state = task.model.state_dict(), optimiser.state_dict()
                state = State(
                    step=done,
                    model=model_state,
                    optimiser=optimiser_state,
                    compiled=compile_step,
                    last=last,
                    best=best.state if best else None,
                )
                hooks.checkpoint(state)
        if ended:
            break
    if average:
        average.take()
    if best and best.state:
        task.model.load_state_dict(best.state["model"])
    _share_model(task, world)
    task.model.eval()


class _AdamW(torch.optim.AdamW):
    # As torch has it, but for its guards against being compiled: they import the compiler, 1.3 s of CPU time.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def learning_rate(config: Optimisation, step: int) -> float:
    """Learning rate of a step in 0 … steps − 1, as the schedule has it."""
    fall = 0.5 * (1 + math.cos(math.pi * step / config.steps)) if config.schedule == "cosine" else 1.0
    return config.learning_rate * fall


def part_of(batch_size: int, rank: int, world: int) -> slice:
    """Which examples of a global batch a worker takes; parts differ by at most one example.

    Raises:
        ValueError: a worker would get none.
    """
    if batch_size < world:
        raise ValueError(f"a batch of {batch_size} cannot be shared by {world} workers")
    return slice(rank * batch_size // world, (rank + 1) * batch_size // world)


def from_rank_0(value: Found) -> Found:
    """The value that rank 0 has, on every worker; all of them call this at the same point."""
    box = [value]
    if rank_and_world()[1] > 1:
        dist.broadcast_object_list(box)
    return box[0]


def rank_and_world() -> tuple[int, int]:
    """Number of this worker, and how many there are."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def _share_model(task: Task, world: int) -> None:
    """Give every worker the network of rank 0."""
    if world > 1:
        state = [task.model.state_dict()]
        dist.broadcast_object_list(state)
        task.model.load_state_dict(state[0])


def _found_by_rank_0(find: Callable[[], Found], rank: int) -> Found:
    """What rank 0 finds, which alone looks; the wrong input that it meets is raised on every worker."""
    found: Found | InputError | None = None
    try:
        found = find() if rank == 0 else None
    except InputError as error:
        found = error
    found = from_rank_0(found)
    if isinstance(found, InputError):
        raise found
    assert found is not None
    return found


def _average_over_workers(parameters: Sequence[nn.Parameter], world: int) -> None:
    for parameter in parameters if world > 1 else ():
        assert parameter.grad is not None
        dist.all_reduce(parameter.grad)
        parameter.grad /= world


def _due(done: int, every: int, steps: int) -> bool:
    return done % every == 0 or done == steps


def _named(split: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{split}/{key}": value for key, value in figures.items()}


@torch.no_grad()
def _look(task: Task, best: BestStep | None, step: int) -> tuple[dict[str, float], bool]:
    """Figures of the validation rows, and whether they say that there is nothing more to win.

    Raises:
        InputError: a figure is not finite.
    """
    task.model.eval()  # the bare model: the other workers do not take part
    figures, merit = task.look() if isinstance(task, Judged) else (task.validate(), None)
    task.model.train()
    _require_finite(figures, step)
    if best and merit:
        best.consider(step, merit, task.model.state_dict())
    return figures, best is not None and best.ended


def _mean_over_workers(figures: Mapping[str, Tensor], weight: float) -> dict[str, float]:
    values = torch.stack([value.detach().float() for value in figures.values()])
    if dist.is_available() and dist.is_initialized():
        values *= weight / dist.get_world_size()
        dist.all_reduce(values)
    return dict(zip(figures, values.tolist(), strict=True))


def _require_finite(entry: Mapping[str, float], step: int) -> None:
    broken = [key for key, value in entry.items() if not math.isfinite(value)]
    if broken:
        raise InputError(
            f"training diverged: {broken[0]} is {entry[broken[0]]} at step {step}; "
            "accepted are finite numbers, try a lower learning_rate or clip"
        )
