"""The source files of a module that a person wrote, and of what it imports of theirs; nothing is imported to find them.
And what such code raised, in a line.

Installed packages are known by their version, and the pipeline's own code by dvc.yaml.
"""

import ast
import importlib
import importlib.metadata
import importlib.util
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import all_suffixes
from pathlib import Path

from pipeline.errors import InputError, one_line

__all__ = ["installed_version", "raised", "source_files"]

_OURS = {"pipeline", "stages"}
_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class _Module:
    """Where a module lies.

    Attributes:
        file: its source; None: it has none, as a folder without `__init__.py` and what is built into Python.
        folders: of its submodules, where it is a package.
    """

    file: Path | None
    folders: tuple[Path, ...] = ()

    @property
    def is_installed(self) -> bool:
        """Whether it is Python's own, or of a package that was installed."""
        if self.file is None:
            return not self.folders
        return _is_installed(self.file)


def _is_installed(file: Path) -> bool:
    """Whether a file is Python's own, or of a package that was installed."""
    return file.is_relative_to(sysconfig.get_path("stdlib")) or bool(_INSTALLED & set(file.parts))


def raised(error: Exception) -> str:
    """What a person's own code raised, and the line of theirs that it got to, as `ValueError: too dark (mine.py:12)`.

    Where no line of it is theirs, as in a module that can't be compiled, the exception alone.
    """
    ours, here = Path(__file__).parents[1], Path.cwd()
    steps = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    theirs = [
        (file, line)
        for file, line in steps
        if file.is_file() and not (_is_installed(file) or file.is_relative_to(ours))
    ]
    text, kind = one_line(error, 200), type(error).__name__
    words = text if text == kind else f"{kind}: {text}"
    if not theirs:
        return words
    file, line = theirs[-1]
    return f"{words} ({file.relative_to(here) if file.is_relative_to(here) else file}:{line})"


def installed_version(module: str) -> str | None:
    """`package 1.2` of a module of an installed package; None: it is a person's own, or there is none.

    What follows a `+`, such as the kind of computer that torch is built for, is left out.
    """
    package = module.partition(".")[0]
    found = _locate(package)
    if found is None or not found.is_installed:
        return None
    try:
        return f"{package} {importlib.metadata.version(package).partition('+')[0]}"
    except importlib.metadata.PackageNotFoundError:  # it goes by another name where it is installed from
        return package


def source_files(module: str, key: str) -> dict[str, Path]:
    """Dotted name → file of a module, of the packages around it, and of what these import of a person's own.

    Args:
        module: dotted name.
        key: of params.yaml, for an error.

    Raises:
        InputError: there is no such module.
    """
    if _locate(module) is None:
        raise InputError(f"{key}: no module '{module}' can be imported: neither here nor on PYTHONPATH is there one")
    files: dict[str, Path] = {}
    seen: set[str] = set()
    pending = [module]
    while pending:
        for name in _with_packages(pending.pop()):
            if name in seen or (name.partition(".")[0] in _OURS and name not in _with_packages(module)):
                continue
            seen.add(name)
            found = _locate(name)
            if found is None or found.file is None or found.is_installed:
                continue
            files[name] = found.file
            pending += _imported(found.file, name if found.folders else name.rpartition(".")[0])
    return files


def _with_packages(module: str) -> list[str]:
    """`a`, `a.b` and `a.b.c` of `a.b.c`: the packages run first."""
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def _locate(module: str) -> _Module | None:
    """Where a module lies; `importlib.util.find_spec` would import the packages around it."""
    package, _, name = module.rpartition(".")
    if package:
        around = _locate(package)
        return None if around is None else _below(around.folders, name)
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):  # the latter of what runs as a script
        return None
    if spec is None:
        return None
    file = Path(spec.origin) if spec.has_location and spec.origin else None
    return _Module(file, tuple(Path(folder) for folder in spec.submodule_search_locations or ()))


def _below(folders: tuple[Path, ...], name: str) -> _Module | None:
    """A submodule of a package with these folders."""
    for folder in folders:
        if (folder / name / "__init__.py").is_file():
            return _Module(folder / name / "__init__.py", (folder / name,))
        for suffix in all_suffixes():
            if (folder / f"{name}{suffix}").is_file():
                return _Module(folder / f"{name}{suffix}")
    inner = tuple(folder / name for folder in folders if (folder / name).is_dir())
    return _Module(None, inner) if inner else None


def _imported(file: Path, package: str) -> Iterator[str]:
    """Dotted names that a file of a package imports, or that may be names in what it imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):  # it says so itself when it is imported, or is compiled
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            above = parts[: len(parts) - node.level + 1] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            if origin:
                yield origin
                yield from (f"{origin}.{alias.name}" for alias in node.names if alias.name != "*")
