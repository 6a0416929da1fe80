"""What a module needs where the project is not installed: files of the project, and packages of others.

Both follow from the imports, the module's own and those of what it imports. Only what runs when the module is imported
counts: an import inside a function or for a type checker does not.
"""

import ast
import inspect
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

__all__ = ["Needs", "copy_package", "needs_of", "requirement"]


@dataclass(frozen=True)
class Needs:
    """What has to be there for a module to be imported.

    Attributes:
        package: folder of the package that the module lies in.
        files: of that package, absolute; the module's own file is not among them.
        requirements: the distributions that bring the other packages, as `name==version`, sorted.
    """

    package: Path
    files: tuple[Path, ...]
    requirements: tuple[str, ...]


def needs_of(module: ModuleType) -> Needs:
    """Follow the imports of a module, which has been imported, through all files of its package."""
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
            pending += _imports(sys.modules[name])
        if dot:
            pending.append(name.rpartition(".")[0])  # importing a.b.c runs a and a.b, too
    own_file = _file(module)
    files = {_file(part) for part in followed.values()} - {own_file}
    brings = packages_distributions()  # PIL is of pillow
    needed = others - sys.stdlib_module_names
    distributions = {name if name in brings[name] else brings[name][0] for name in needed}
    requirements = (requirement(name) for name in sorted(distributions, key=str.lower))
    return Needs(_file(sys.modules[package]).parent, tuple(sorted(files)), tuple(requirements))


def requirement(distribution: str) -> str:
    """A distribution in the version that is installed here, as pip takes it."""
    return f"{distribution}=={version(distribution)}"


def copy_package(needs: Needs, folder: Path) -> Path:
    """Copy the files into `folder`, below the package's name; the path of that copy."""
    for file in needs.files:
        target = folder / file.relative_to(needs.package.parent)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return folder / needs.package.name


def _imports(module: ModuleType) -> Iterator[str]:
    """Dotted names that a module's top level imports; of `from a import b` both a.b, which may be a module, and a."""
    for statement in ast.parse(_file(module).read_text()).body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            yield from (f"{statement.module}.{alias.name}" for alias in statement.names)


def _file(module: ModuleType) -> Path:
    return Path(inspect.getfile(module)).resolve()
