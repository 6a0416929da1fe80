"""What the project's modules import from each other and from elsewhere, read from their source."""

import ast
from collections.abc import Collection
from functools import cache
from pathlib import Path

__all__ = ["ROOT", "SOURCES", "imported_deeply", "imported_modules", "is_bare", "own_modules", "package_of"]

ROOT = Path(__file__).parents[1]


def own_modules() -> dict[str, Path]:
    """Dotted name -> file, of everything below pipeline/ and stages/; the test process reads each file once."""
    names = {}
    for path in sorted(file for folder in ("pipeline", "stages") for file in (ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


SOURCES = own_modules()


@cache
def imported_modules(path: Path, typing: bool = True) -> frozenset[str]:
    """Dotted names that a file imports anywhere in it; `from a import b` names a.b where that is a module of ours.

    Without `typing`, what is imported for a type checker alone is left out.
    """
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    checked = [
        node for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    ]
    left_out = set() if typing else {inner for node in checked for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in left_out:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = inner & set(SOURCES)
            names |= modules
            if modules != inner:  # something of the module itself
                names.add(str(node.module))
    return frozenset(names)


def package_of(module: str) -> str:
    """`flow` of `pipeline.flow.network`: a package or a single file below pipeline/."""
    return module.split(".")[1] if module.startswith("pipeline.") else module


@cache
def is_bare(module: str) -> bool:
    """Whether a module holds a docstring alone, and so shapes nothing."""
    return len(ast.parse(SOURCES[module].read_text()).body) <= 1


def imported_deeply(module: str, plumbing: Collection[str] = ()) -> set[str]:
    """Modules of ours that run when `module` is imported; importing a.b.c also runs `__init__` of a and a.b.

    Modules and packages in `plumbing` are left out, and what they import is not followed.
    """
    seen: set[str] = set()
    pending = [module]
    while pending:
        parts = pending.pop().split(".")
        names = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
        if set(names) & set(plumbing):
            continue
        for name in names:
            if name in SOURCES and name not in seen:
                seen.add(name)
                pending += [other for other in imported_modules(SOURCES[name], False) if other.startswith("pipeline.")]
    return {name for name in seen if name.startswith("pipeline.")}
