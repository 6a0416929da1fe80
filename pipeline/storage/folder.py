"""Where a run's files are kept, each of them whole or not there; and the plainest such place, a folder.

What a run's driver has for itself, its lock and what it shows, lies in a folder of its own machine all the same.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.files import atomic_folder, disk_errors, write_atomic

__all__ = ["Folder", "Storage"]


class Storage(Protocol):
    """A folder of files, wherever it is; it may be sent to another process."""

    @property
    def name(self) -> str:
        """Of the folder."""

    @property
    def parent(self) -> "Storage":
        """The folder that it is in."""

    def at(self, name: str) -> "Storage":
        """A folder in this one, or in its folders, by its path; it need not be there."""

    def names(self) -> list[str]:
        """Names of all folders here that hold a file, ascending."""

    def read(self, name: str) -> bytes:
        """Content of a file.

        Raises:
            OSError: it isn't there, or can't be read.
        """

    def write(self, name: str, content: bytes) -> None:
        """Write a file.

        Raises:
            InputError: there is no space left, it may not be written, or the store is away; as of all that write.
        """

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write a new folder of files: who finds the last of them finds all."""

    def append(self, name: str, line: str) -> None:
        """Append to a file; until `flush` other processes may not see it yet."""

    def flush(self) -> None:
        """Let all see what was appended here."""

    def remove(self, name: str) -> None:
        """Remove a folder; nothing happens where there is none."""

    def clean(self) -> None:
        """Remove what a process that was killed left half-written or half-removed here."""

    def opened(self) -> tuple[Any, str]:
        """A file system of PyArrow, None for this machine's, and the path of this folder in it."""

    def show(self, name: str, path: Path) -> None:
        """Let `path` of this machine hold what a file that may be growing holds; called again and again meanwhile."""


@dataclass(frozen=True)
class Folder:
    """A folder that all workers see by the same path, as `Storage` says.

    Attributes:
        path: of it.
    """

    path: Path

    def __str__(self) -> str:
        """As a line names it."""
        return str(self.path)

    @property
    def name(self) -> str:
        """See `Storage`, as for all others."""
        return self.path.name

    @property
    def parent(self) -> "Folder":
        """The folder that it is in."""
        return Folder(self.path.parent)

    def at(self, name: str) -> "Folder":
        """A folder in this one."""
        return Folder(self.path / name)

    def names(self) -> list[str]:
        """Names."""
        return sorted(path.name for path in self.path.iterdir() if path.is_dir()) if self.path.is_dir() else []

    def read(self, name: str) -> bytes:
        """Content."""
        return (self.path / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        """Write."""
        write_atomic(self.path / name, content)

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write all."""
        with atomic_folder(self.path / name) as beside:
            for file, content in files.items():
                (beside / file).parent.mkdir(parents=True, exist_ok=True)
                (beside / file).write_bytes(content)

    def append(self, name: str, line: str) -> None:
        """Append."""
        with disk_errors(self.path / name):
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / name).open("a") as file:
                file.write(line)

    def flush(self) -> None:
        """Nothing: all see it already."""

    def remove(self, name: str) -> None:
        """Remove."""
        path = self.path / name
        if path.is_dir():
            half_removed = path.rename(path.with_name(f".{path.name}.tmp"))
            shutil.rmtree(half_removed, ignore_errors=True)

    def clean(self) -> None:
        """Remove them."""
        for path in self.path.glob(".*.tmp"):
            shutil.rmtree(path, ignore_errors=True)

    def opened(self) -> tuple[Any, str]:
        """No file system, and the path."""
        return None, str(self.path)

    def show(self, name: str, path: Path) -> None:
        """A link."""
        link = os.path.relpath(self.path / name, path.parent)
        if path.is_symlink() and path.readlink() == Path(link):
            return
        beside = path.with_name(f".{path.name}")
        beside.unlink(missing_ok=True)
        beside.symlink_to(link)
        beside.replace(path)
