"""One trial of a sweep: train a flow and score it on the validation rows; and which trial to take.

What it finds is kept in its folder, so a sweep that was killed does not train it again.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from pipeline.basis import curves
from pipeline.files import read_json, write_json
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.scores.probes.matrix import gap_resamples, probe_matrix, probe_scores
from pipeline.scores.statistics.score import PROBE_GAP
from pipeline.tables.latents import load_latents
from pipeline.training.loop import Hooks, train
from pipeline.training.task import TrainConfig
from pipeline.tuning.flow_file import Trial

__all__ = ["Figures", "behind", "choose", "run_trial", "trial_folder"]

FIGURES = "figures.json"


class Figures(TypedDict):
    """`probe/gap` with its interval and bootstrap resamples, and mean held-out pair nats."""

    probe_gap: float
    gap_low: float
    gap_high: float
    gap_resamples: list[float]
    pair_nats: float


def trial_folder(run_folder: Path, num_blocks: int, sizes: tuple[int, ...]) -> Path:
    """Where a trial keeps its curves and figures: trials of the same shape are the same trial."""
    return run_folder / "trials" / f"blocks-{num_blocks}-sizes-{'-'.join(str(size) for size in sizes)}"


def run_trial(task_config: FlowTaskConfig, config: TrainConfig, folder: Path, device: torch.device) -> Figures:
    """Train and score one flow, or read what an earlier run of the same trial found."""
    if (folder / FIGURES).is_file():
        kept: Figures = read_json(folder / FIGURES)
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    curves.cut(folder, 0)
    task = FlowTask(task_config, device)
    train(task, config, Hooks(log=lambda entry: curves.append(folder, entry)))
    figures = _score(task)
    write_json(folder / FIGURES, figures)
    return figures


@torch.no_grad()
def _score(task: FlowTask) -> Figures:
    config = task.config
    latents = load_latents(Path(config.latents), "val")
    code, _ = task.model(torch.from_numpy(latents.mean).to(task.device))
    matrix = probe_matrix(
        code.cpu().numpy(), latents.targets(), config.layout, groups=latents.original, seed=config.seed
    )
    gap = asdict(probe_scores(matrix, config.layout)[PROBE_GAP])
    nats = task.validate(task.model, config.batch_size)["pair_nats"]
    resamples = gap_resamples(matrix, config.layout).tolist()
    return Figures(
        probe_gap=gap["value"], gap_low=gap["low"], gap_high=gap["high"], gap_resamples=resamples, pair_nats=nats
    )


def choose(trials: Sequence[Trial]) -> Trial:
    """Among the trials level with the highest `probe/gap`, the one of the fewest pair nats; of equal ones the first.

    Level is a trial whose interval of how far it is behind holds 0. All trials are scored on the same rows, and most of
    what makes each one's own interval wide is common to them and cancels in the difference: two intervals may overlap
    although the difference is certain.
    """
    return min((t for t in trials if t.behind_low <= 0), key=lambda trial: (trial.pair_nats, trial.number))


def behind(gaps: Sequence[float], resamples: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """95 % interval of how far each trial's `probe/gap` is behind the highest.

    Args:
        gaps: `probe/gap` of T trials.
        resamples: [T, B], its bootstrap resamples, by the same originals in every trial.

    Returns:
        Lower and upper end for each trial.
    """
    drawn = np.asarray(resamples)
    ends = np.percentile(drawn[int(np.argmax(gaps))] - drawn, (2.5, 97.5), axis=1)
    return [(float(low), float(high)) for low, high in ends.T]
