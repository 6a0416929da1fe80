"""What a module needs where the project is not installed: files of ours, files of a person's own, and packages.

All follow from the imports, the module's own and those of what it imports. Of our own modules only what runs when they
are imported counts: an import inside a function or for a type checker does not. Of a person's own every import does.
"""

import ast
import inspect
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

from pipeline.inputs.modules import source_files

__all__ = ["Needs", "copy_files", "needs_of"]


@dataclass(frozen=True)
class Needs:
    """What has to be there for a module to be imported.

    Attributes:
        files: source files, absolute, by where they belong below a folder of `sys.path`; the module's own file is not
            among them.
        requirements: the distributions that bring the other packages, as `name==version`, sorted.
    """

    files: Mapping[Path, Path]
    requirements: tuple[str, ...]


def needs_of(module: ModuleType, *besides: str) -> Needs:
    """Follow the imports of a module, which has been imported, through all files of its package.

    Args:
        module: of ours.
        besides: modules that it imports by their names when it runs: a person's own, or packages that are installed.
    """
    package = module.__name__.partition(".")[0]
    followed: dict[str, ModuleType] = {}
    others: set[str] = set()
    pending = [module.__name__]
    while pending:
        name = pending.pop()
        first, dot, _ = name.partition(".")
        if first != package:
            others.add(first)
        elif name in sys.modules and name not in followed:  # else it is a function or class of a module
            followed[name] = sys.modules[name]
            pending += _imports(ast.parse(_file(sys.modules[name]).read_text()).body)
        if dot:
            pending.append(name.rpartition(".")[0])  # importing a.b.c runs a and a.b, too
    own_file, root = _file(module), _file(sys.modules[package]).parents[1]
    found = sorted({_file(part) for part in followed.values()} - {own_file})
    files = {file.relative_to(root): file for file in found}
    for name in besides:
        theirs = source_files(name, "backbone.network")
        others |= {name.partition(".")[0] for name in (name, *_imported_by(theirs.values()))}
        others -= {name.partition(".")[0] for name in theirs} | {package}
        files |= {_place(name, file): file for name, file in theirs.items()}
    return Needs(files, _requirements(others))


def copy_files(needs: Needs, folder: Path) -> None:
    """Copy the files to where they belong below `folder`."""
    for place, file in needs.files.items():
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)


def _requirements(packages: Iterable[str]) -> tuple[str, ...]:
    """What brings these packages, but those of Python's own."""
    brings = packages_distributions()  # PIL is of pillow
    needed = (name for name in packages if name not in sys.stdlib_module_names and name in brings)
    distributions = {name if name in brings[name] else brings[name][0] for name in needed}
    return tuple(f"{name}=={version(name)}" for name in sorted(distributions, key=str.lower))


def _imports(statements: Iterable[ast.AST]) -> Iterator[str]:
    """Dotted names that statements import; of `from a import b` both a.b, which may be a module, and a."""
    for statement in statements:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module is not None and not statement.level:
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _imported_by(files: Iterable[Path]) -> Iterator[str]:
    for file in files:
        yield from _imports(ast.walk(ast.parse(file.read_bytes())))


def _place(name: str, file: Path) -> Path:
    """Where a module of this name belongs below a folder of `sys.path`."""
    path = Path(*name.split("."))
    return path / file.name if file.name == "__init__.py" else path.with_suffix(file.suffix)


def _file(module: ModuleType) -> Path:
    return Path(inspect.getfile(module)).resolve()
