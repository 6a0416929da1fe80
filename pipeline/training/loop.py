"""The training loop, of one network or a pack, for one worker or many: torch only, and nothing of Ray.

The state of a run is the models, their moving averages and best steps where they are kept, the optimiser and the number
of steps done, nothing else: the learning rate and every draw are functions of the step. So a run that resumes from a
state ends in the same weights, bit for bit with one worker, as one that was never interrupted. Whether its step is
compiled is chosen by the caller and kept in the state.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.params import Optimisation
from pipeline.training.checkpoints import MemberState, State
from pipeline.training.compiling import CompiledModel, TracedModel
from pipeline.training.members import Look, Running, not_finite
from pipeline.training.optimiser import optimiser_of
from pipeline.training.parameters import FlatModel, MovingAverage, StackedModel
from pipeline.training.step import Loss, Step, Stepped, learning_rate
from pipeline.training.task import Capturable, Member, Pack, Task

__all__ = ["Hooks", "from_rank_0", "part_of", "rank_and_world", "train", "train_pack"]

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

    def prepared() -> tuple[FlatModel, nn.Module]:
        model = FlatModel(task.model)
        return model, CompiledModel(model) if compile_step else model.eager()

    captured = isinstance(task, Capturable) and task.on_device
    alone = _Job((Member(task, config, hooks.log),), task.loss, prepared, captured=captured, compiled=compile_step)
    (failure,) = _train(alone, hooks.checkpoint, resume)
    if failure:
        raise InputError(failure)


def train_pack(
    pack: Pack,
    checkpoint: Callable[[State], None] = lambda _state: None,
    resume: State | None = None,
    until: int | None = None,
) -> list[str]:
    """Train the networks of a pack as `train` does one, each in place, and ending when it would end alone.

    A network that diverges is frozen out: its steps are taken beside the others' all the same, and ignored.

    Args:
        pack: the networks and their data.
        checkpoint: as of `Hooks`.
        resume: the state to go on from.
        until: steps after which all of them stop, though their schedule is that of more; None: they take all. That step
            is logged, looked at and kept, as the last one is.

    Returns:
        Of each network the line that says why it was frozen out; empty where it was not.

    Raises:
        ValueError: members' configs differ in more than learning rate and weight decay.
    """
    first = pack.members[0].config
    for member in pack.members:
        own = {"learning_rate": first.learning_rate, "weight_decay": first.weight_decay}
        if member.config.changed(**own) != first:
            raise ValueError(f"a pack is of one optimisation, but found {member.config} beside {first}")

    def prepared() -> tuple[StackedModel, nn.Module]:
        return StackedModel(pack.model), TracedModel(pack.model)

    return _train(_Job(pack.members, pack.loss, prepared, captured=pack.on_device, until=until), checkpoint, resume)


@dataclass(frozen=True)
class _Job:
    """Networks that are trained together.

    Attributes:
        members: each network.
        loss: of each of them.
        prepared: once they have begun, what is stepped and what is called.
        captured: whether a GPU may replay a step as a graph.
        compiled: whether their step is.
        until: steps to take, where these are fewer than the optimisation's.
    """

    members: Sequence[Member]
    loss: Loss
    prepared: Callable[[], tuple[FlatModel | StackedModel, nn.Module]]
    captured: bool
    compiled: bool = False
    until: int | None = None


def _train(job: _Job, checkpoint: Callable[[State], None], resume: State | None) -> list[str]:
    rank, world = rank_and_world()
    config = job.members[0].config
    part = part_of(config.batch_size, rank, world)
    weight = (part.stop - part.start) * world / config.batch_size  # the mean over workers is then that over examples
    first, last_step = resume["step"] if resume else 0, job.until or config.steps
    states: Sequence[MemberState | None] = resume["members"] if resume else [None] * len(job.members)
    running = [Running(member, state) for member, state in zip(job.members, states, strict=True)]
    for member, state in zip(job.members, states, strict=True):
        if state:
            member.task.model.load_state_dict(state["model"])
        else:
            member.task.initialise()
    _share_models(job.members, world)  # workers of unlike machines may round a start differently
    model, step_model = job.prepared()
    parameters, rows = list(model.parameters()), model.rows()
    average = None if config.ema_decay is None else MovingAverage(parameters, config.ema_decay)
    for own, state in zip(rows, states, strict=True):
        if state and average:
            for parameter, value in zip(own, state["last"] or (), strict=True):
                parameter.data.copy_(value)
    captured = job.captured and parameters[0].is_cuda
    optimiser, configs = optimiser_of([member.config for member in job.members], rows)
    if resume:
        optimiser.load_state_dict(resume["optimiser"])
    else:
        found = _look([each for each in running if each.best], 0, rank)
        _log_looks(found, 0, rank)
    for each in running:
        each.member.task.model.train()
    for group in optimiser.param_groups:
        group["capturable"] = captured
    stepped = Stepped(job.loss, step_model, model, average, optimiser, configs, part, weight, world)
    step = Step(stepped, captured=captured)
    for done in range(first + 1, last_step + 1):
        going = [each for each in running if each.goes_on]
        if not going:
            break
        figures = step(done - 1)
        found = {}
        if _due(done, config.validate_every, last_step):  # first, as it says whether this step is the last one
            with average.in_place() if average else nullcontext():
                found = _look(going, done, rank)
        due = [each for each in going if each.ended or _due(done, config.log_every, last_step)]
        if due:
            entries = _means_over_workers(figures, weight)
            for each, entry in zip(running, entries, strict=True):
                if each in due and not each.failure:
                    each.failure = not_finite(entry, done)
                    if rank == 0 and not each.failure:
                        rate = learning_rate(each.member.config, done - 1)
                        each.log("train", done, {**entry, "learning_rate": rate})
        _log_looks(found, done, rank)
        if all(each.failure for each in running):
            break
        if _due(done, config.checkpoint_every, last_step) or not any(each.goes_on for each in running):
            with average.in_place() if average else nullcontext() as last:
                lasts = model.by_member(last) if last else [None] * len(running)
                members = [each.state(own) for each, own in zip(running, lasts, strict=True)]
                checkpoint(State(step=done, members=members, optimiser=optimiser.state_dict(), compiled=job.compiled))
    if average:
        average.take()
    for each in running:
        each.finish()
    _share_models(job.members, world)
    for each in running:
        each.member.task.model.eval()
    return [each.failure for each in running]


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


def _share_models(members: Sequence[Member], world: int) -> None:
    """Give every worker the networks of rank 0: number by number, as pickled each view would bring its whole vector."""
    for model in [member.task.model for member in members] if world > 1 else []:
        for value in model.state_dict().values():
            shared = value.contiguous()
            dist.broadcast(shared, 0)
            value.copy_(shared)


def _look(running: Sequence[Running], step: int, rank: int) -> dict[Running, Look]:
    """What rank 0, which alone looks, finds of each network; on every worker."""
    looks = from_rank_0([each.look(step) for each in running] if rank == 0 else [])
    found = dict(zip(running, looks, strict=True))
    for each, look in found.items():
        each.failure, each.ended = look.failure, look.ended
    return found


def _log_looks(found: Mapping[Running, Look], step: int, rank: int) -> None:
    for each, look in found.items() if rank == 0 else ():
        if not each.failure:
            each.log("val", step, look.figures)


def _due(done: int, every: int, last: int) -> bool:
    return done % every == 0 or done == last


def _means_over_workers(figures: Mapping[str, Tensor], weight: float) -> list[dict[str, float]]:
    """Of each network."""
    values = torch.stack([value.detach().double().reshape(-1) for value in figures.values()])
    if dist.is_available() and dist.is_initialized():
        values *= weight / dist.get_world_size()
        dist.all_reduce(values)
    return [dict(zip(figures, of_one, strict=True)) for of_one in values.T.tolist()]
