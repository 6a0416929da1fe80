"""What a finished training leaves of each of its networks, as its last checkpoint and its curves have it."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from pipeline.basis import curves
from pipeline.training.best import Merit, merit_of
from pipeline.training.checkpoints import Generation, curves_folder, newest_checkpoint, read_checkpoint

__all__ = ["Result", "results_of"]


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
        best, ended = member["best"], curves.last_step(folder / curves.METRICS)
        if member["failure"]:
            results.append(member["failure"])
            continue
        if best:
            which = f", {number + 1} of {len(state['members'])}" if len(state["members"]) > 1 else ""
            early = f", ended at step {ended}, as none after it was better" if ended < steps else ""
            print(f"{name}{which}: best at step {best['step']} of {steps}{early}", flush=True)
        model, step = (best["model"], best["step"]) if best else (member["model"], state["step"])
        metrics, merit = (folder / curves.METRICS).read_text(), merit_of(best["merit"]) if best else None
        results.append(Result(model, step, metrics, folder, merit))
    return results
