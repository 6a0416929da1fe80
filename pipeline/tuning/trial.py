"""One trial of a sweep: train a flow for a fixed number of steps, and score it on the validation rows.

What it finds is kept in its folder, so a sweep that was killed does not train it again.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

import torch

from pipeline.data import load_latents
from pipeline.files import read_json, write_json
from pipeline.scores import gap_resamples, probe_matrix, probe_scores
from pipeline.training import curves
from pipeline.training.flow_task import FlowTask, FlowTaskConfig
from pipeline.training.loop import Hooks, train
from pipeline.training.task import TrainConfig

__all__ = ["Figures", "run_trial", "trial_folder"]

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
    gap = asdict(probe_scores(matrix, config.layout)["probe/gap"])
    nats = task.validate(task.model, config.batch_size)["pair_nats"]
    resamples = gap_resamples(matrix, config.layout).tolist()
    return Figures(
        probe_gap=gap["value"], gap_low=gap["low"], gap_high=gap["high"], gap_resamples=resamples, pair_nats=nats
    )
