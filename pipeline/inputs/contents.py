"""What files hold, as one checksum, the same wherever they lie; a file that was not touched is not read again."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.files import sha256_file, write_atomic
from pipeline.inputs.paths import is_hidden
from pipeline.progress import Progress

__all__ = ["Contents", "Found", "digest", "found_file", "walk"]

_SHOWN = 1000  # files to read from which on progress is printed
_PART = 256  # files that a thread reads in turn
_SETTLED = 2_000_000_000  # nanoseconds after which the time of a file tells that it was changed once more


@dataclass(frozen=True)
class Found:
    """A file.

    Attributes:
        path: of it.
        size: bytes.
        changed: nanoseconds at which its content was changed last.
        touched: nanoseconds at which anything of it was, which no program can set back.
    """

    path: str
    size: int
    changed: int
    touched: int

    @classmethod
    def of(cls, path: str, state: os.stat_result) -> "Found":
        """A file by what the file system says of it."""
        return cls(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


def found_file(path: Path) -> Found:
    """A file that is there."""
    return Found.of(str(path), path.stat())


def walk(root: Path, wanted: Callable[[str], bool]) -> tuple[dict[str, Found], list[Path]]:
    """All files below a folder whose name is wanted, and where the links among files and folders lead.

    Hidden files and folders are passed over, as by those who read the folder. Links are followed, though never round
    in a circle.

    Returns:
        Path below the folder → file; and the paths that the links resolve to.

    Raises:
        InputError: a folder can't be read.
    """
    files: dict[str, Found] = {}
    links: list[Path] = []

    def visit(folder: str, prefix: str, above: tuple[str, ...]) -> None:
        try:
            entries = list(os.scandir(folder))
        except OSError as error:
            raise InputError(f"{folder}: can't be read ({error.strerror})") from None
        for entry in entries:
            if is_hidden(entry.name):
                continue
            real = os.path.realpath(entry.path) if entry.is_symlink() else f"{above[-1]}/{entry.name}"
            if entry.is_dir():
                if real not in above:
                    visit(entry.path, f"{prefix}{entry.name}/", (*above, real))
            elif wanted(entry.name) and entry.is_file():
                files[prefix + entry.name] = Found.of(entry.path, entry.stat())
            else:
                continue
            if entry.is_symlink():
                links.append(Path(real))

    visit(str(root), "", (os.path.realpath(root),))
    return files, links


class Contents:
    """Checksums of files, with a memory of those that were read.

    Args:
        folder: of the memory, a file for each key and place.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def of(self, key: str, root: Path, files: Mapping[str, Found]) -> dict[str, Any]:
        """Number of files, their bytes, and a checksum over their names and contents.

        Args:
            key: of params.yaml, which names them.
            root: where they lie, for the memory alone.
            files: name → file; the names enter the checksum.

        Raises:
            InputError: a file can't be read.
        """
        place = hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:16]
        memory = self._folder / f"{key}-{place}.json"
        known, latest = _remembered(memory), time.time_ns() - _SETTLED
        states = {name: [found.size, found.changed, found.touched] for name, found in files.items()}
        sums = {name: known[name][3] for name, state in states.items() if known.get(name, [])[:3] == state}
        unread = [name for name in files if name not in sums]
        sums |= dict(zip(unread, _sums([files[name].path for name in unread]), strict=True))
        kept = {name: [*states[name], sums[name]] for name in files if max(states[name][1:]) < latest}
        if kept != known:
            write_atomic(memory, json.dumps(kept))
        total = sum(found.size for found in files.values())
        return {"files": len(files), "bytes": total, "sha256": digest(sums.items())}


def digest(sums: Iterable[tuple[str, str]]) -> str:
    """One checksum of names with their checksums, or other marks, in any order."""
    total = hashlib.sha256()
    for name, mark in sorted(sums):
        total.update(os.fsencode(f"{mark} {name}\n"))
    return total.hexdigest()


def _sums(paths: Sequence[str]) -> Iterator[str]:
    """SHA-256 of each file, several at once."""
    progress, done = Progress("check", len(paths), unit="file") if len(paths) >= _SHOWN else None, 0
    parts = [paths[start : start + _PART] for start in range(0, len(paths), _PART)]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for part in pool.map(_sums_of, parts):
            yield from part
            done += len(part)
            if progress is not None:
                progress.update(done)


def _sums_of(paths: Sequence[str]) -> list[str]:
    sums = []
    for path in paths:
        try:
            sums.append(sha256_file(Path(path)))
        except OSError as error:
            raise InputError(f"{path}: can't be read ({error.strerror})") from None
    return sums


def _remembered(memory: Path) -> dict[str, list[Any]]:
    """Name → size, times and checksum; nothing where there is no memory yet, or a damaged one."""
    try:
        content = json.loads(memory.read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
