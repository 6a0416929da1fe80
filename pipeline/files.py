"""Files that appear whole or not at all: written beside, flushed to disk, renamed."""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, one_line

__all__ = [
    "atomic_file",
    "atomic_folder",
    "disk_errors",
    "parse_yaml",
    "read_json",
    "read_yaml",
    "sha256_file",
    "take_file",
    "write_atomic",
    "write_json",
]


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission met while writing `path` into one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise InputError(f"{path}: no space left; nothing half-written is kept") from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise InputError(f"{path}: not writable ({error.strerror})") from error
        raise


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a path beside `path` to write to; it replaces `path` when the block ends well, else it is removed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            _flush(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
        _flush(path.parent)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a folder: what lay at `path` before is replaced as a whole.

    A kill in between leaves the old folder, the new one, or the old one under another name, which the next call of the
    same folder puts back first.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        _put_back(path)
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        try:
            yield beside
            for file in beside.rglob("*"):
                _flush(file)
            _take_place(beside, path)
        except InputError as error:  # a file in it could not be written: say where it would have been
            raise InputError(str(error).replace(str(beside), str(path))) from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        _flush(path.parent)


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write bytes, or text as UTF-8."""
    with atomic_file(path) as beside:
        beside.write_bytes(content.encode() if isinstance(content, str) else content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON with two spaces of indent and a final newline; NaN is refused, as strict readers refuse it."""
    write_atomic(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON; a missing or broken file is an InputError that names it."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InputError(f"{path}: not there; run `dvc repro`") from None
    except ValueError as error:
        raise InputError(f"{path}: no JSON ({one_line(error)})") from None


def read_yaml(path: Path, hint: str = "run `dvc repro`") -> Any:
    """Read YAML 1.2, as DVC reads it: `1e-3` is a number; a missing or broken file is an InputError that names it.

    Args:
        path: of the file.
        hint: what to do where it is not there.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: not there; {hint}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, expected is a YAML file") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: bytes, name: str) -> Any:
    """The content of a YAML file of that name, as `read_yaml` reads it."""
    from ruamel.yaml import YAML  # a model that MLflow serves reads no YAML, and has no reader of it
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text.decode())
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: no YAML ({one_line(error)})") from None


def sha256_file(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def take_file(path: Path, folder: Path) -> None:
    """Put a file into a folder, as a second name where that is on the same disk: a kill in between loses nothing."""
    try:
        os.link(path, folder / path.name)
    except OSError:
        shutil.copyfile(path, folder / path.name)


def _take_place(beside: Path, path: Path) -> None:
    """Rename `beside` to `path`; what lay there before is set aside first, and removed last."""
    aside = _aside(path)
    if path.exists():
        path.rename(aside)
    beside.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


def _put_back(path: Path) -> None:
    """Bring back what a process that was killed had set aside, unless something lies in its place."""
    aside = _aside(path)
    if aside.exists() and not path.exists():
        aside.rename(path)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.before")


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
