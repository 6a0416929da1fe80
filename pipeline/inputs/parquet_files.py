"""The files of a set of images in Parquet: one file, a folder of them, a glob, or an address of either."""

import fnmatch
import glob
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq
from pyarrow.fs import FileType

from pipeline.errors import InputError, one_line
from pipeline.inputs.paths import is_hidden

__all__ = ["ParquetFiles", "find_parquet"]

_SIGNS = "*?["  # of a glob
_ALL: tuple[str, ...] = ("**", "*.parquet")  # of a folder
_MARKS = ("ETag", "etag", "Content-MD5", "md5Hash", "crc32c", "sha256")  # of content, as file systems call them
_TIMES = ("LastModified", "last_modified", "updated", "mtime", "modified", "created")


@dataclass(frozen=True)
class ParquetFiles:
    """The files of a set.

    Attributes:
        system: that holds them, of pyarrow.
        base: the folder that all of them lie in.
        pattern: of their paths below it, part by part; `**` stands for any number of folders.
        paths: theirs, sorted.
    """

    system: Any
    base: str
    pattern: tuple[str, ...]
    paths: list[str]

    @property
    def is_local(self) -> bool:
        """Whether they lie on this machine."""
        return isinstance(self.system, pyarrow.fs.LocalFileSystem)

    def would_hold(self, folder: Path) -> bool:
        """Whether a Parquet file in a folder of this machine would be one of them."""
        inside = self.is_local and folder.is_relative_to(self.base)
        return inside and _matches(((folder / "some.parquet").relative_to(self.base)).parts, self.pattern)

    def marks(self) -> Iterator[tuple[str, str]]:
        """Of a set that lies elsewhere: each file's path below `base`, and by what a change of it shows.

        That is its ETag or checksum where the file system has one, else its size and time.
        """
        handler = getattr(self.system, "handler", None)
        for path in self.paths:
            name = _below(self.base, path)
            if handler is None:  # one of pyarrow's own
                info = self.system.get_file_info(path)
                yield name, f"{info.size} {info.mtime_ns}"
                continue
            try:
                known = handler.fs.info(path)
            except (OSError, ValueError) as error:
                raise InputError(f"data.path: {path} can't be read ({one_line(error, 150)})") from None
            mark = next((known[key] for key in _MARKS if known.get(key)), None)
            time = next((known[key] for key in _TIMES if known.get(key)), None)
            yield name, str(mark) if mark is not None else f"{known.get('size')} {time}"

    def named_images(self) -> Iterator[Path]:
        """Image files of this machine that rows name in place of holding them, each below the folder of its table."""
        for path in self.paths if self.is_local else []:
            try:
                table = pq.ParquetFile(path)
                columns = [column for field in table.schema_arrow if (column := _column_of_paths(field))]
                rows = table.read(columns=columns)
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{path}: no Parquet file ({one_line(error, 120)})") from None
            for column in rows.flatten().columns:
                named = (name for name in column.to_pylist() if name and not Path(name).is_absolute())
                yield from (file for name in named if (file := Path(path).parent / name).is_file())


def find_parquet(place: str) -> ParquetFiles:
    """The files of a set.

    Args:
        place: a file, a folder, also of folders, or a glob, local or of any file system that pyarrow or fsspec knows
            (s3://…). Brackets in the name of a folder that is there are no glob.

    Raises:
        InputError: there are none, or the file system gives no answer.
    """
    try:
        system, path = _file_system(place)
        kind = system.get_file_info(path).type
        if kind == FileType.File:
            base, _, name = path.rpartition("/")
            return ParquetFiles(system, base, (glob.escape(name),), [path])
        base, pattern = (path.rstrip("/"), _ALL) if kind == FileType.Directory else _split(system, path)
        entries = system.get_file_info(pyarrow.fs.FileSelector(base, recursive=True)) if pattern else []
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        raise InputError(f"data.path: {place} can't be read ({one_line(error, 150)})") from None
    if not pattern:
        raise InputError(f"data.path: {place} is not there; a Parquet file, a folder, a glob or an address is expected")
    found = [entry.path for entry in entries if entry.type == FileType.File]
    paths = sorted(path for path in found if _matches(_below(base, path).split("/"), pattern))
    if not paths:
        raise InputError(f"data.path: no Parquet files in {place}")
    return ParquetFiles(system, base, pattern, paths)


def _split(system: Any, path: str) -> tuple[str, tuple[str, ...]]:
    """The folder that a glob begins with, and the pattern of its files, which is empty where the path is no glob."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        above = "/".join(parts[: number + 1])
        if any(sign in part for sign in _SIGNS) and system.get_file_info(above).type == FileType.NotFound:
            return "/".join(parts[:number]), tuple(parts[number:])
    return path, ()


def _below(base: str, path: str) -> str:
    return path.removeprefix(base).lstrip("/")


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether the names of a path match those of a pattern, one by one, with `**` for any number of folders.

    As in a shell, no sign stands for the dot of a hidden name.
    """
    if not pattern:
        return not parts
    if parts and is_hidden(parts[0]) and not is_hidden(pattern[0]):
        return pattern[0] == "**" and _matches(parts, pattern[1:])
    if pattern[0] == "**":
        return _matches(parts, pattern[1:]) or (len(parts) > 0 and _matches(parts[1:], pattern))
    return len(parts) > 0 and fnmatch.fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _file_system(place: str) -> tuple[Any, str]:
    if "://" not in place:
        return pyarrow.fs.LocalFileSystem(), str(Path(place).absolute())
    try:
        system, path = pyarrow.fs.FileSystem.from_uri(place)
        return system, path
    except (pa.ArrowInvalid, ValueError):
        system, path = fsspec.core.url_to_fs(place)
        return pyarrow.fs.PyFileSystem(pyarrow.fs.FSSpecHandler(system)), path


def _column_of_paths(field: pa.Field) -> str | None:
    """The column of a table that may name image files: `path` of a struct, or an image column of strings."""
    if pa.types.is_struct(field.type):
        return f"{field.name}.path" if "path" in {part.name for part in field.type} else None
    return field.name if field.name in ("image", "img") and "string" in str(field.type) else None
