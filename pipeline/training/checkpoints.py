"""Checkpoints of a run, in generations, so that a driver that was killed can never harm the one that follows.

    lock                          of the run's own folder: held by the driver that runs, with its process id
    gen-0001/                     one start of a driver; here and below, of the run's storage
      generation.json             which checkpoints it may resume from, newest first
      metrics.jsonl               curves, from step 0 on; of a pack, those of its first network
      network-1/metrics.jsonl     those of the next one
      step-00000200/              a checkpoint: state.pt, and checkpoint.json with its sha256; whole or not there
    gen-0002/ …

A driver that starts looks at the newest generation's checkpoints, and after them at those which that generation
itself could resume from. So what an orphan of an older generation writes late is never taken.

Where the storage is a folder, it is the run's own. In a store the drivers of two machines meet, and each goes on from
what the other has left.
"""

import fcntl
import hashlib
import io
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from pipeline.basis.curves import METRICS, lines_until
from pipeline.errors import InputError, one_line
from pipeline.storage.folder import Storage
from pipeline.training.best import Best, Merit, merit_of

__all__ = [
    "Generation",
    "MemberState",
    "Result",
    "State",
    "curves_folder",
    "drop_older",
    "locked",
    "newest_checkpoint",
    "read_checkpoint",
    "results_of",
    "start_generation",
    "write_checkpoint",
]

KEPT = 2
OTHER, STEP = "network-", "step-"
STATE, CARD, RECORD = "state.pt", "checkpoint.json", "generation.json"


class MemberState(TypedDict):
    """What one network of a run goes on from.

    Attributes:
        model: its state dict; with a moving average that of the average.
        last: with a moving average the parameters that the next step starts from, in the order of
            `FlatModel.parameters()`; else None.
        best: the best step so far, of a task that is `Judged`; else None.
        failure: the line that says why it was frozen out; empty where it was not.
    """

    model: dict[str, Tensor]
    last: list[Tensor] | None
    best: Best | None
    failure: str


class State(TypedDict):
    """What a run goes on from, and nothing else: the learning rate and every draw are functions of the step.

    Attributes:
        step: steps done.
        members: of each network that is trained: one, or those of a pack.
        optimiser: its state dict.
        compiled: whether the step was compiled.
    """

    step: int
    members: list[MemberState]
    optimiser: dict[str, Any]
    compiled: bool


@dataclass(frozen=True)
class Generation:
    """One start of a driver.

    Attributes:
        folder: `gen-<number>`.
        resume: checkpoint that it goes on from, None for a beginning.
        step: steps done by then.
    """

    folder: Storage
    resume: Storage | None
    step: int


@dataclass(frozen=True)
class Result:
    """What a finished run leaves.

    Attributes:
        model: state dict of the trained network, on the CPU: of its best step where the task is `Judged`, or the last.
        step: which step that is.
        metrics: content of metrics.jsonl, the same as of a run that was never interrupted.
        folder: of the last generation: checkpoints, metrics.jsonl, times.jsonl; of a pack where its curves are.
        merit: of that step, of a task that is `Judged`.
    """

    model: dict[str, Tensor]
    step: int
    metrics: str
    folder: Storage
    merit: Merit | None = None


@contextmanager
def locked(run_folder: Path) -> Iterator[None]:
    """Hold a run folder for the block, so that no second driver writes to it; the lock ends with the process.

    Raises:
        InputError: another process holds it; the line names its id.
    """
    run_folder.mkdir(parents=True, exist_ok=True)
    with (run_folder / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip()
            raise InputError(f"{run_folder}: process {holder} trains there; end it or wait for it") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def start_generation(run: Storage) -> Generation:
    """Make the next generation of a run and choose the checkpoint that it goes on from.

    A damaged checkpoint is passed over with one line that says so. All checkpoints but the newest two are removed.
    """
    sound = []
    for name in _candidates(run):
        try:
            sound.append((name, read_checkpoint(run.at(name))["step"]))
        except InputError as error:
            print(f"checkpoint passed over: {error}", flush=True)
    sound = sound[:KEPT]
    resume, step = sound[0] if sound else (None, 0)
    files = {METRICS: b""}
    if resume:
        before = run.at(resume).parent
        names = [METRICS, *(f"{name}/{METRICS}" for name in before.names() if name.startswith(OTHER))]
        files = {name: lines_until(before, name, step).encode() for name in names}
    record = {"resumes_from": [name for name, _ in sound]}
    number = f"gen-{len(_generations(run)) + 1:04d}"
    run.write_folder(number, {**files, RECORD: json.dumps(record, indent=2).encode() + b"\n"})
    _remove_others(run, {name for name, _ in sound})
    return Generation(run.at(number), run.at(resume) if resume else None, step)


def curves_folder(generation_folder: Storage, number: int) -> Storage:
    """Where a network of a pack, from 0, keeps its curves; those of the first are the ones that are followed."""
    return generation_folder.at(f"{OTHER}{number}") if number else generation_folder


def drop_older(run: Storage, generation: Generation) -> None:
    """Remove the checkpoints of older generations, once this one has its own."""
    name = generation.folder.name
    own = {f"{name}/{step}" for step in _checkpoints(generation.folder)}
    if own:
        _remove_others(run, own)


def newest_checkpoint(generation_folder: Storage) -> Storage | None:
    """The checkpoint of the highest step in a generation, None where it has none."""
    return next((generation_folder.at(name) for name in _checkpoints(generation_folder)), None)


def write_checkpoint(generation_folder: Storage, state: State) -> Storage:
    """Write a state as one folder, whole or not at all; of its generation the newest two stay.

    Raises:
        InputError: no space left, or the store is away for long; nothing half-written stays, and earlier checkpoints
            are as they were.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    content, name = buffer.getvalue(), f"{STEP}{state['step']:08d}"
    card = {"step": state["step"], "sha256": hashlib.sha256(content).hexdigest()}
    generation_folder.write_folder(name, {STATE: content, CARD: json.dumps(card).encode() + b"\n"})
    for older in _checkpoints(generation_folder)[KEPT:]:
        generation_folder.remove(older)
    return generation_folder.at(name)


def read_checkpoint(checkpoint: Storage, device: str = "cpu") -> State:
    """Read the state that `write_checkpoint` wrote, its tensors on `device`.

    Raises:
        InputError: a file is missing or damaged; the line names it.
    """
    try:
        card, content = json.loads(checkpoint.read(CARD)), checkpoint.read(STATE)
    except (OSError, ValueError) as error:
        raise InputError(f"{checkpoint}: unreadable ({one_line(error)})") from None
    if hashlib.sha256(content).hexdigest() != card.get("sha256"):
        raise InputError(f"{checkpoint.at(STATE)}: damaged, its sha256 is not the one in {CARD}")
    state: State = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    return state


def results_of(name: str, generation: Generation, steps: int) -> list[Result | str]:
    """What a generation that is done leaves of each network, or the line that says why it was frozen out.

    Of each a line is printed that says at which step it was the best.

    Args:
        name: of the run, in these lines.
        generation: that is done.
        steps: of the optimisation, of which a network may have needed fewer.
    """
    last = newest_checkpoint(generation.folder) or generation.resume
    assert last is not None  # the last step leaves a checkpoint
    state = read_checkpoint(last)
    results: list[Result | str] = []
    for number, member in enumerate(state["members"]):
        folder, best = curves_folder(generation.folder, number), member["best"]
        if member["failure"]:
            results.append(member["failure"])
            continue
        metrics = folder.read(METRICS).decode()
        if best:
            ended = json.loads(metrics.splitlines()[-1])["step"]
            which = f", {number + 1} of {len(state['members'])}" if len(state["members"]) > 1 else ""
            early = f", ended at step {ended}, as none after it was better" if ended < steps else ""
            print(f"{name}{which}: best at step {best['step']} of {steps}{early}", flush=True)
        model, step = (best["model"], best["step"]) if best else (member["model"], state["step"])
        merit = merit_of(best["merit"]) if best else None
        results.append(Result(model, step, metrics, folder, merit))
    return results


def _generations(run: Storage) -> list[str]:
    return [name for name in run.names() if re.fullmatch(r"gen-\d+", name)]


def _checkpoints(generation_folder: Storage) -> list[str]:
    """Newest first."""
    return sorted((name for name in generation_folder.names() if name.startswith(STEP)), reverse=True)


def _candidates(run: Storage) -> list[str]:
    """What a driver that starts now may resume from, by its path there, best first."""
    for generation in reversed(_generations(run)):
        folder = run.at(generation)
        try:
            record = json.loads(folder.read(RECORD))
        except FileNotFoundError:  # its driver ended before it was whole
            continue
        own = [f"{generation}/{name}" for name in _checkpoints(folder)]
        return own + [name for name in record["resumes_from"] if _is_there(run.at(name))]
    return []


def _is_there(checkpoint: Storage) -> bool:
    return checkpoint.name in checkpoint.parent.names()


def _remove_others(run: Storage, kept: set[str]) -> None:
    for generation in _generations(run):
        folder = run.at(generation)
        folder.clean()
        for name in _checkpoints(folder):
            if f"{generation}/{name}" not in kept:
                folder.remove(name)
