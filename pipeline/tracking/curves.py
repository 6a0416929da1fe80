"""The curves of a training: read from metrics.jsonl, sent to a run, each point once."""

import json
import time
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric

__all__ = ["last_step", "read_curves", "send_curves"]

BATCH = 1000  # points a request, the most that a server takes


def read_curves(path: Path) -> list[dict[str, Any]]:
    """Read metrics.jsonl: one dictionary a line, with `step` and that step's figures.

    The trainer may be writing, so a last line without its end is left for the next time; a missing file is no line.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines() if line.strip()]


def last_step(path: Path) -> int:
    """The last step in metrics.jsonl; -1 where there is none."""
    return max((int(point["step"]) for point in read_curves(path)), default=-1)


def send_curves(client: MlflowClient, run_id: str, path: Path, sent: dict[str, int] | None = None) -> dict[str, int]:
    """Send what `run_id` lacks of the curves in `path`.

    A point goes only where its step is greater than the last one that the run holds of the same figure; so a resumed
    training, whose file goes on from a checkpoint, logs no step twice. The whole file is read each time, because a
    resumed training also cuts it back.

    Args:
        client: of the store.
        run_id: the run.
        path: of metrics.jsonl.
        sent: what an earlier call returned; None asks the server.

    Returns:
        The last step that the run now holds, by figure.
    """
    points = read_curves(path)
    names = {name for point in points for name in point if name != "step"}
    sent = dict(sent or {})
    logged = client.get_run(run_id).data.metrics if names - sent.keys() else {}
    for name in names - sent.keys():
        history = client.get_metric_history(run_id, name) if name in logged else []
        sent[name] = max((metric.step for metric in history), default=-1)
    now = int(time.time() * 1000)
    metrics = [
        Metric(name, float(value), now, int(point["step"]))
        for point in points
        for name, value in point.items()
        if name != "step" and int(point["step"]) > sent[name]
    ]
    for start in range(0, len(metrics), BATCH):
        batch = metrics[start : start + BATCH]
        client.log_batch(run_id, metrics=batch)
        for metric in batch:
            sent[metric.key] = max(sent[metric.key], metric.step)
    return sent
