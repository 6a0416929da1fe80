"""Files of a run in a store that all its workers reach, such as S3; and which storage `machine.storage` says."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pipeline.errors import InputError, one_line
from pipeline.files import write_atomic
from pipeline.storage.folder import Folder, Storage

__all__ = ["Remote", "is_url", "own_folder", "storage_of"]

OWN = ".runs"  # of the driver, where the storage is elsewhere
PATIENCE = 60.0  # seconds for which a store may be away
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
MARKER = ".written-to-see-whether-it-can-be"
ACCEPTED = "a folder, or the address of a store that may be written, such as s3://bucket/folder"
EVERY = 5.0  # seconds between two versions of a growing file

Found = TypeVar("Found")


@dataclass
class _Growing:
    """A file that is appended to: all of it, and when it was sent last."""

    content: bytes
    sent: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Remote:
    """A folder in a store that PyArrow has a file system for, as `Storage` says.

    Where the store is away, it is tried again for a minute.

    Attributes:
        url: of the store, such as `s3://bucket/folder`, with the options that PyArrow takes after a question mark.
        below: the folder in it.
    """

    url: str
    below: str = ""
    _growing: dict[str, _Growing] = field(default_factory=dict, compare=False, repr=False)
    _shown: dict[Path, tuple[int, int]] = field(default_factory=dict, compare=False, repr=False)

    def __str__(self) -> str:
        """As a line names it; without what may be a key."""
        parts = urlsplit(self.url)
        return "/".join(
            filter(None, (f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.path.strip("/"), self.below))
        )

    @property
    def name(self) -> str:
        """See `Storage`, as for all others."""
        return self.below.rpartition("/")[2]

    @property
    def parent(self) -> "Remote":
        """The folder that it is in."""
        return Remote(self.url, self.below.rpartition("/")[0])

    def at(self, name: str) -> "Remote":
        """A folder in this one."""
        return Remote(self.url, "/".join(filter(None, (self.below, name))))

    def names(self) -> list[str]:
        """Names."""
        from pyarrow.fs import FileSelector, FileType

        def names() -> list[str]:
            files, path = self.opened()
            found = files.get_file_info(FileSelector(path, allow_not_found=True))
            return sorted(each.base_name for each in found if each.type == FileType.Directory)

        return self._tried(names)

    def read(self, name: str) -> bytes:
        """Content."""

        def read() -> bytes:
            files, path = self.opened()
            with files.open_input_stream(f"{path}/{name}") as file:
                return bytes(file.read())

        return self._tried(read)

    def write(self, name: str, content: bytes) -> None:
        """Write."""
        self._growing.pop(name, None)
        self._tried(lambda: self._write(name, content))

    def write_folder(self, name: str, files: Mapping[str, bytes]) -> None:
        """Write all, one after the other."""
        for file, content in files.items():
            self.write(f"{name}/{file}", content)

    def append(self, name: str, line: str) -> None:
        """Append; all of the file is sent at once, every few seconds."""
        if name not in self._growing:
            try:
                self._growing[name] = _Growing(self.read(name))
            except FileNotFoundError:
                self._growing[name] = _Growing(b"")
        growing = self._growing[name]
        growing.content += line.encode()
        if time.monotonic() - growing.sent >= EVERY:
            self._send(name, growing)

    def flush(self) -> None:
        """Send all."""
        for name, growing in self._growing.items():
            self._send(name, growing)

    def remove(self, name: str) -> None:
        """Remove."""

        def remove() -> None:
            files, path = self.opened()
            with suppress(FileNotFoundError):
                files.delete_dir(f"{path}/{name}")

        self._tried(remove)

    def clean(self) -> None:
        """Nothing: a file is there or not, and the last of a folder says that it is whole."""

    def show(self, name: str, path: Path) -> None:
        """A copy; where the store does not answer, the one that is there."""
        try:
            files, folder = self.opened()
            found = files.get_file_info(f"{folder}/{name}")
            version = (found.size, found.mtime_ns)
            if self._shown.get(path) == version:
                return
            with files.open_input_stream(found.path) as file:
                write_atomic(path, bytes(file.read()))
            self._shown[path] = version
        except OSError:
            return

    def require_writable(self) -> None:
        """Write a file and remove it.

        Raises:
            InputError: PyArrow has no such file system, or the store refuses or doesn't answer; said at once.
        """
        try:
            files, path = self.opened()
            self._write(MARKER, b"")
            files.delete_file(f"{path}/{MARKER}")
        except (OSError, ValueError, ImportError) as error:
            raise InputError(f"machine.storage: found {self}: {one_line(error)}; accepted is {ACCEPTED}") from None

    def opened(self) -> tuple[Any, str]:
        """The file system, and the path in it."""
        files, path = _file_system(self.url)
        return files, f"{path}/{self.below}".rstrip("/")

    def _write(self, name: str, content: bytes) -> None:
        files, folder = self.opened()
        path = f"{folder}/{name}"
        try:
            stream = files.open_output_stream(path)
        except FileNotFoundError:  # a file system of folders
            files.create_dir(path.rpartition("/")[0])
            stream = files.open_output_stream(path)
        with stream:
            stream.write(content)

    def _send(self, name: str, growing: _Growing) -> None:
        self._tried(lambda: self._write(name, growing.content))
        growing.sent = time.monotonic()

    def _tried(self, do: Callable[[], Found]) -> Found:
        """What `do` gives, as soon as the store answers."""
        end, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            try:
                return do()
            except FileNotFoundError:
                raise
            except OSError as error:
                if time.monotonic() + pause > end:
                    line = f"{self}: {one_line(error)}; tried for {PATIENCE:.0f} s; once the store answers, the same "
                    raise InputError(f"{line}command goes on") from error
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)


@cache
def _file_system(url: str) -> tuple[Any, str]:
    from pyarrow.fs import FileSystem  # takes long, and a folder needs none

    files, path = FileSystem.from_uri(url)
    return files, path


def is_url(storage: str) -> bool:
    """Whether `machine.storage` is a store's address and not a folder's path."""
    return "://" in storage


def own_folder(storage: str) -> str:
    """The folder of `machine.storage` on the driver's machine: itself, or `.runs` where it is elsewhere."""
    return OWN if is_url(storage) else storage


def storage_of(storage: str, run_folder: Path) -> Storage:
    """Where a run's files are kept.

    Args:
        storage: `machine.storage`.
        run_folder: of the run, on the driver's machine; in a store it has the same name.
    """
    return Remote(storage, run_folder.name) if is_url(storage) else Folder(run_folder)
