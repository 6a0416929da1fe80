"""One trial of a sweep: train a flow, score its best step on the validation rows; and which trial to take.

What it finds is kept in its folder, so a sweep that was killed does not train it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch

from pipeline.basis import curves
from pipeline.files import read_json, write_json
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.params import Optimisation
from pipeline.scores.statistics.intervals import bootstrap_interval
from pipeline.training.best import Merit
from pipeline.training.loop import Hooks, train
from pipeline.tuning.flow_file import Trial

__all__ = ["Figures", "TrialSetup", "behind", "choose", "run_trial"]

FIGURES = "figures.json"


class Figures(TypedDict):
    """`probe/gap` of the best step with its interval and bootstrap resamples, None and no resamples where it can't be
    measured; and its mean held-out pair nats."""

    probe_gap: float | None
    gap_low: float | None
    gap_high: float | None
    gap_resamples: list[float]
    pair_nats: float


@dataclass(frozen=True)
class TrialSetup:
    """What a trial needs in its own process.

    Attributes:
        task: what the flow learns from.
        train: its optimisation.
        folder: absolute, where it keeps its curves and figures.
    """

    task: FlowTaskConfig
    train: Optimisation
    folder: Path


def run_trial(setup: TrialSetup, device: torch.device) -> Figures:
    """Train and score one flow, or read what an earlier run of the same trial found."""
    folder = setup.folder
    if (folder / FIGURES).is_file():
        kept: Figures = read_json(folder / FIGURES)
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    curves.cut(folder, -1)
    task = _Trial(setup.task, device)
    train(task, setup.train, Hooks(log=lambda entry: curves.append(folder, entry)))
    figures = _score(task)
    write_json(folder / FIGURES, figures)
    return figures


class _Trial(FlowTask):
    """A flow's task whose steps are judged by gap and nats alone: a trial is too short for the gain to come back."""

    def look(self) -> tuple[dict[str, float], Merit]:
        figures, merit = super().look()
        return figures, replace(merit, margin=0.0)


@torch.no_grad()
def _score(task: FlowTask) -> Figures:
    """What a look at the network that training ends as finds: its best step."""
    found, merit = task.look()
    if "probe_gap" not in found:
        return Figures(probe_gap=None, gap_low=None, gap_high=None, gap_resamples=[], pair_nats=merit.cost)
    low, high = bootstrap_interval(merit.resamples.numpy(), merit.score)
    return Figures(
        probe_gap=merit.score,
        gap_low=low,
        gap_high=high,
        gap_resamples=merit.resamples.tolist(),
        pair_nats=merit.cost,
    )


def choose(trials: Sequence[Trial]) -> Trial:
    """Among the trials level with the highest `probe/gap`, the one of the fewest pair nats; of equal ones the first.

    All trials are scored on the same rows, and most of what makes each one's own interval wide is common to them and
    cancels in the difference: two intervals may overlap although the difference is certain.
    """
    return min((trial for trial in trials if trial.level), key=lambda trial: (trial.pair_nats, trial.number))


def behind(gaps: Sequence[float], resamples: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """95 % interval of how far each trial's `probe/gap` is behind the highest.

    Args:
        gaps: `probe/gap` of T trials.
        resamples: [T, B], its bootstrap resamples, by the same originals in every trial.

    Returns:
        Lower and upper end for each trial.
    """
    best, drawn = int(np.argmax(gaps)), np.asarray(resamples)
    return [bootstrap_interval(drawn[best] - own, gaps[best] - gap) for gap, own in zip(gaps, drawn, strict=True)]
