"""Checkpoints of a run, in generations, so that a driver that was killed can never harm the one that follows.

    <run folder>/
      lock                          held by the driver that runs, with its process id
      gen-0001/                     one start of a driver
        generation.json             which checkpoints it may resume from, newest first
        metrics.jsonl               curves, from step 0 on; of a pack, those of its first network
        network-1/metrics.jsonl     those of the next one
        step-00000200/              a checkpoint: state.pt, and checkpoint.json with its sha256; whole or not there
      gen-0002/ …

A driver that starts looks at the newest generation's checkpoints, and after them at those which that generation
itself could resume from. So what an orphan of an older generation writes late is never taken.
"""

import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from pipeline.basis.curves import METRICS, last_step, read_until
from pipeline.errors import InputError
from pipeline.files import atomic_folder, write_json
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
OTHER = "network-"
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
        folder: `gen-<number>`, absolute.
        resume: checkpoint that it goes on from, None for a beginning.
        step: steps done by then.
    """

    folder: Path
    resume: Path | None
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
    folder: Path
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


def start_generation(run_folder: Path) -> Generation:
    """Make the next generation and choose the checkpoint that it goes on from.

    A damaged checkpoint is passed over with one line that says so. All checkpoints but the newest two are removed.
    """
    sound = []
    for path in _candidates(run_folder):
        try:
            sound.append((path, read_checkpoint(path)["step"]))
        except InputError as error:
            print(f"checkpoint passed over: {error}", flush=True)
    sound = sound[:KEPT]
    resume, step = sound[0] if sound else (None, 0)
    folder = run_folder / f"gen-{len(_generations(run_folder)) + 1:04d}"
    with atomic_folder(folder) as beside:
        write_json(beside / RECORD, {"resumes_from": [str(path.relative_to(run_folder)) for path, _ in sound]})
        (beside / METRICS).touch()
        before = resume.parent if resume else beside
        for path in [before / METRICS, *before.glob(f"{OTHER}*/{METRICS}")]:
            own = beside / path.relative_to(before)
            own.parent.mkdir(exist_ok=True)
            own.write_text(read_until(path, step))
    _remove_others(run_folder, {path for path, _ in sound})
    return Generation(folder, resume, step)


def curves_folder(generation_folder: Path, number: int) -> Path:
    """Where a network of a pack, from 0, keeps its curves; those of the first are the ones that are followed."""
    return generation_folder / f"{OTHER}{number}" if number else generation_folder


def drop_older(generation: Generation) -> None:
    """Remove the checkpoints of older generations, once this one has its own."""
    own = set(_checkpoints(generation.folder))
    if own:
        _remove_others(generation.folder.parent, own)


def newest_checkpoint(generation_folder: Path) -> Path | None:
    """The checkpoint of the highest step in a generation, None where it has none."""
    return next(iter(_checkpoints(generation_folder)), None)


def write_checkpoint(generation_folder: Path, state: State) -> Path:
    """Write a state as one folder, whole or not at all; of its generation the newest two stay.

    Raises:
        InputError: no space left; nothing half-written stays, and earlier checkpoints are as they were.
    """
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    path = generation_folder / f"step-{state['step']:08d}"
    with atomic_folder(path) as beside:
        (beside / STATE).write_bytes(buffer.getbuffer())
        card = {"step": state["step"], "sha256": hashlib.sha256(buffer.getbuffer()).hexdigest()}
        (beside / CARD).write_text(json.dumps(card) + "\n")
    for older in _checkpoints(generation_folder)[KEPT:]:
        half_removed = older.rename(older.with_name(f".{older.name}.tmp"))
        shutil.rmtree(half_removed, ignore_errors=True)
    return path


def read_checkpoint(path: Path, device: str = "cpu") -> State:
    """Read the state that `write_checkpoint` wrote, its tensors on `device`.

    Raises:
        InputError: a file is missing or damaged; the line names it.
    """
    try:
        content, card = (path / STATE).read_bytes(), json.loads((path / CARD).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: unreadable ({error})") from None
    if hashlib.sha256(content).hexdigest() != card.get("sha256"):
        raise InputError(f"{path / STATE}: damaged, its sha256 is not the one in {CARD}")
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
        folder = curves_folder(generation.folder, number)
        best, ended = member["best"], last_step(folder / METRICS)
        if member["failure"]:
            results.append(member["failure"])
            continue
        if best:
            which = f", {number + 1} of {len(state['members'])}" if len(state["members"]) > 1 else ""
            early = f", ended at step {ended}, as none after it was better" if ended < steps else ""
            print(f"{name}{which}: best at step {best['step']} of {steps}{early}", flush=True)
        model, step = (best["model"], best["step"]) if best else (member["model"], state["step"])
        metrics, merit = (folder / METRICS).read_text(), merit_of(best["merit"]) if best else None
        results.append(Result(model, step, metrics, folder, merit))
    return results


def _generations(run_folder: Path) -> list[Path]:
    return sorted(run_folder.glob("gen-[0-9]*"))


def _checkpoints(generation_folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(generation_folder.glob("step-[0-9]*"), reverse=True)


def _candidates(run_folder: Path) -> list[Path]:
    """What a driver that starts now may resume from, best first."""
    generations = _generations(run_folder)
    if not generations:
        return []
    record = json.loads((generations[-1] / RECORD).read_text())
    earlier = (run_folder / name for name in record["resumes_from"])
    return _checkpoints(generations[-1]) + [path for path in earlier if path.is_dir()]


def _remove_others(run_folder: Path, kept: set[Path]) -> None:
    for folder in _generations(run_folder):
        half_written = folder.glob(".step-*.tmp")
        for path in [*_checkpoints(folder), *half_written]:
            if path not in kept:
                shutil.rmtree(path, ignore_errors=True)
