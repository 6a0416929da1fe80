"""metrics.jsonl: the curves of a training, one JSON object a line, no time, rate or host in it.

{"step": 20, "train/pair_nats": 96.1, "train/learning_rate": 0.003}
{"step": 20, "val/pair_nats": 97.3}

A line is an entry: figures by name, at a step. Whoever trains appends, and whoever follows reads while the file grows.
A resumed run cuts the file to the steps of its checkpoint first, so the finished file is that of an undisturbed run.
"""

import json
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.errors import InputError
from pipeline.files import disk_errors, write_atomic

__all__ = [
    "METRICS",
    "append",
    "cut",
    "entries",
    "finished_entries",
    "last_step",
    "last_value",
    "points",
    "read_until",
    "show_at",
]

METRICS, TIMES = "metrics.jsonl", "times.jsonl"

Entry = dict[str, float]


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


def read_until(path: Path, step: int) -> str:
    """Lines of a file of entries up to `step`; a last line that a killed process left unfinished is dropped."""
    if not path.is_file():
        return ""
    whole = (line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n"))
    return "".join(line for line in whole if json.loads(line)["step"] <= step)


def entries(path: Path) -> list[Entry]:
    """All entries of a file that may be growing, or not be there yet."""
    return _parsed(read_until(path, sys.maxsize))


def finished_entries(path: Path) -> list[Entry]:
    """All entries of the file that a finished training left.

    Raises:
        InputError: it isn't there, or a line is no entry; the line names the file.
    """
    try:
        return _parsed(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run `dvc repro`") from None
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no curves of a training ({type(error).__name__}: {error})") from None


def last_step(path: Path) -> int:
    """The last step of a file that may be growing; −1 where it has none."""
    return max((int(entry["step"]) for entry in entries(path)), default=-1)


def points(curves: Iterable[Mapping[str, float]], figure: str) -> list[tuple[float, float]]:
    """(step, value) of each entry that has the figure, in the order of the file."""
    return [(entry["step"], entry[figure]) for entry in curves if figure in entry]


def last_value(metrics: str, figure: str) -> float:
    """The last value of a figure in the text of a finished file, of which at least one entry has it."""
    return points(_parsed(metrics), figure)[-1][1]


def _parsed(lines: str) -> list[Entry]:
    """The entries of the lines of a file, each with a step."""
    parsed: list[Entry] = [json.loads(line) for line in lines.splitlines()]
    for entry in parsed:
        entry["step"]  # a KeyError here names the fault; later it would name a figure
    return parsed
