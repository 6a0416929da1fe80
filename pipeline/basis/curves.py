"""metrics.jsonl: the curves of a training, one JSON object a line, no time, rate or host in it.

{"step": 20, "train/pair_nats": 96.1, "train/learning_rate": 0.003}
{"step": 20, "val/pair_nats": 97.3}

A line is an entry: figures by name, at a step. Whoever trains appends, and whoever follows reads while the file grows.
A resumed run cuts the file to the steps of its checkpoint first, so the finished file is that of an undisturbed run.
"""

import json
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipeline.errors import InputError
from pipeline.storage.folder import Storage

__all__ = [
    "METRICS",
    "PER_SECOND",
    "TIMES",
    "append",
    "cut",
    "entries",
    "finished_entries",
    "last_step",
    "last_value",
    "lines_until",
    "points",
]

METRICS, TIMES = "metrics.jsonl", "times.jsonl"
PER_SECOND = "steps_per_second"  # in the latter, where it is known

Entry = dict[str, float]


def append(storage: Storage, entry: Mapping[str, float], beside: Mapping[str, float] | None = None) -> None:
    """Append {"step": 20, "train/loss": 0.5, …} to metrics.jsonl in a folder, and its unix time to times.jsonl.

    With the time go the figures `beside`, which another run would have otherwise, such as rates.

    Raises:
        InputError: no space left, or the store is away for long.
    """
    for name, content in ((METRICS, entry), (TIMES, {"step": entry["step"], "time": time.time(), **(beside or {})})):
        storage.append(name, json.dumps(content, allow_nan=False) + "\n")


def cut(storage: Storage, step: int) -> None:
    """Drop the entries after `step` from both files in a folder."""
    for name in (METRICS, TIMES):
        storage.write(name, lines_until(storage, name, step).encode())


def lines_until(storage: Storage, name: str, step: int) -> str:
    """Lines of one of the files in a folder, up to `step`; none where it isn't there."""
    try:
        text = storage.read(name).decode()
    except FileNotFoundError:
        return ""
    return "".join(line for line in _whole(text) if json.loads(line)["step"] <= step)


def _whole(text: str) -> list[str]:
    """The lines of a text but the last one, where a killed process left it unfinished."""
    return [line for line in text.splitlines(keepends=True) if line.endswith("\n")]


def entries(path: Path) -> list[Entry]:
    """All entries of a file that may be growing, or not be there yet."""
    return _parsed("".join(_whole(path.read_text()))) if path.is_file() else []


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
