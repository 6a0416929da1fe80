"""metrics.jsonl: the curves of a run, one JSON object a line, no time, rate or host in it.

A resumed run cuts the file to the steps of its checkpoint first, so the finished file is that of an undisturbed run.
"""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pipeline.files import disk_errors, write_atomic

__all__ = ["METRICS", "append", "cut", "entries", "read_until", "show_at"]

METRICS, TIMES = "metrics.jsonl", "times.jsonl"


def append(folder: Path, entry: Mapping[str, float]) -> None:
    """Append {"step": 20, "train/loss": 0.5, …} to metrics.jsonl in `folder`, and its unix time to times.jsonl.

    Raises:
        InputError: no space left.
    """
    for name, content in ((METRICS, entry), (TIMES, {"step": entry["step"], "time": time.time()})):
        with disk_errors(folder / name), (folder / name).open("a") as file:
            file.write(json.dumps(content, allow_nan=False) + "\n")


def cut(folder: Path, step: int) -> None:
    """Drop the entries after `step` from both files in `folder`."""
    for name in (METRICS, TIMES):
        write_atomic(folder / name, read_until(folder / name, step))


def show_at(run_folder: Path, generation_folder: Path) -> None:
    """Let `metrics.jsonl` of the run be that of its newest generation, for whoever follows the training."""
    beside = run_folder / f".{METRICS}"
    beside.unlink(missing_ok=True)
    beside.symlink_to((generation_folder / METRICS).relative_to(run_folder))
    beside.replace(run_folder / METRICS)


def entries(path: Path) -> list[dict[str, float]]:
    """All entries of a file that may be growing."""
    return [json.loads(line) for line in read_until(path, sys.maxsize).splitlines()]


def read_until(path: Path, step: int) -> str:
    """Lines of a file of entries up to `step`; a last line that a killed process left unfinished is dropped."""
    if not path.is_file():
        return ""
    whole = (line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return "".join(line for line in whole if json.loads(line)["step"] <= step)
