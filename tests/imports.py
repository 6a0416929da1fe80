"""What the project's modules import from each other and from elsewhere, read from their source."""

import ast
from pathlib import Path

__all__ = ["ROOT", "SOURCES", "imported_deeply", "imported_modules", "own_modules", "package_of"]

ROOT = Path(__file__).parents[1]


def own_modules() -> dict[str, Path]:
    """Dotted name -> file, of everything below pipeline/ and stages/."""
    names = {}
    for path in sorted(file for folder in ("pipeline", "stages") for file in (ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return names


SOURCES = own_modules()


def imported_modules(path: Path) -> set[str]:
    """Dotted names that a file imports anywhere in it; `from a import b` names a.b where that is a module of ours."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found = inner & set(SOURCES)
            names |= found
            if found != inner:  # something of the module itself
                names.add(str(node.module))
    return names


def package_of(module: str) -> str:
    """`flow` of `pipeline.flow.network`: a package or a single file below pipeline/."""
    return module.split(".")[1] if module.startswith("pipeline.") else module


def imported_deeply(module: str) -> set[str]:
    """Modules below pipeline/ that run when `module` is imported; importing a.b.c also runs `__init__` of a and a.b."""
    seen: set[str] = set()
    pending = [module]
    while pending:
        parts = pending.pop().split(".")
        for length in range(1, len(parts) + 1):
            part = ".".join(parts[:length])
            if part in SOURCES and part not in seen:
                seen.add(part)
                pending += [found for found in imported_modules(SOURCES[part]) if found.startswith("pipeline.")]
    return {name for name in seen if name.startswith("pipeline.")}
