"""The order of the packages, and the form of every file."""

import ast
import re
import sys
from pathlib import Path

import pytest
from imports import ROOT, SOURCES, imported_modules, package_of

# a later group may import an earlier one, never the other way
GROUPS = (
    {"basis", "errors", "files", "places", "progress", "entry"},
    {"flow", "params", "tables", "cluster", "runs"},
    {"scores", "pairing", "training", "drawing"},
    {"backbone", "judge", "flow_task", "interpretation"},
    {"prepare", "pretraining", "extract", "tuning", "evaluation", "interpret", "comparison"},
    {"tracking", "serve", "apply", "study"},
)
RANK = {package: rank for rank, group in enumerate(GROUPS) for package in group}

# packages that are of use outside the pipeline: their own modules, and these of others
LIBRARIES = {
    "flow": {"torch"},
    "scores": {"numpy", "scipy", "sklearn", "threadpoolctl"},  # the last comes with scikit-learn
}
SHARED = {  # which of our other modules they import: these import numpy at most
    "flow": {"pipeline.basis.layout", "pipeline.errors"},
    "scores": {"pipeline.basis.layout", "pipeline.errors", "pipeline.files", "pipeline.pairing.pairs"},
}
COMMAND = {"pipeline.scores.__main__": {"pyarrow", "ruamel"}}  # reads what people have; nothing imports it
MLFLOW = {"tracking", "serve"}

OURS = [name for name in SOURCES if name.startswith("pipeline.")]
FILES = sorted([*SOURCES.values(), *(ROOT / "studies").glob("*.py"), *(ROOT / "tests").rglob("*.py")])


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_package_has_a_place_in_the_order() -> None:
    assert {package_of(module) for module in OURS} == set(RANK)


@pytest.mark.parametrize("module", OURS)
def test_a_later_group_is_never_imported(module: str) -> None:
    mine = RANK[package_of(module)]
    imports = {name for name in imported_modules(SOURCES[module]) if name.startswith("pipeline.")}
    later = sorted(name for name in imports if RANK[package_of(name)] > mine)
    assert not later, f"{module} imports {', '.join(later)}"


def test_no_two_packages_import_each_other() -> None:
    arrows = {
        (package_of(module), package_of(name))
        for module in OURS
        for name in imported_modules(SOURCES[module])
        if name.startswith("pipeline.") and package_of(name) != package_of(module)
    }
    assert not {(a, b) for a, b in arrows if (b, a) in arrows}


def test_only_tracking_and_serve_import_mlflow() -> None:
    importers = {
        package_of(module)
        for module, path in SOURCES.items()
        if any(name.split(".")[0] == "mlflow" for name in imported_modules(path))
    }
    assert importers == MLFLOW


@pytest.mark.parametrize("package", LIBRARIES)
def test_libraries_import_little(package: str) -> None:
    modules = [name for name in OURS if package_of(name) == package]
    others: set[str] = set()
    for module in modules:
        allowed = LIBRARIES[package] | COMMAND.get(module, set()) | set(sys.stdlib_module_names)
        others |= {name for name in imported_modules(SOURCES[module]) if name.split(".")[0] not in allowed}
    assert {name for name in others if package_of(name) != package} <= SHARED[package]


@pytest.mark.parametrize("path", FILES, ids=_relative)
def test_a_file_is_under_300_lines(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 300


@pytest.mark.parametrize("module", SOURCES)
def test_a_module_says_what_it_is_and_what_it_offers(module: str) -> None:
    path = SOURCES[module]
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), f"{module} has no docstring"
    if len(tree.body) == 1 or path.name == "__main__.py" or module.startswith("stages."):
        return  # a package that only says what it is, and modules from which nobody imports
    offered = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
    ]
    assert len(offered) == 1, f"{module} has no __all__"
    names = ast.literal_eval(offered[0])
    assert len(names) == len(set(names)) > 0
    bound = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    bound |= {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    typed = [node for block in tree.body if isinstance(block, ast.If) for node in block.body]  # what is read lazily
    imports = [node for node in [*tree.body, *typed] if isinstance(node, ast.ImportFrom)]
    bound |= {alias.asname or alias.name for node in imports for alias in node.names}
    assert set(names) <= bound, f"{module} offers what it does not have"


MOST_PARAMETERS = 6
REASON = re.compile(r"(parameters|arguments)\b.{,40}\b(as|because|since|so that)\b")  # "seven parameters, as …"


def test_a_function_takes_six_parameters_or_says_why_more() -> None:
    long = []
    for module, path in SOURCES.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
            num = len([name for name in names if name not in ("self", "cls")])
            words = " ".join((ast.get_docstring(node) or "").split())
            if num > MOST_PARAMETERS and not REASON.search(words):
                long.append(f"{module}.{node.name}: {num}")
    assert not long, f"found functions of more than {MOST_PARAMETERS} parameters: {'; '.join(long)}"
