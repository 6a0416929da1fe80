"""The order of the packages, and the form of every file."""

import ast
import re
import sys
import tomllib
from pathlib import Path

from conftest import LONG
from imports import ROOT, SOURCES, imported_modules, is_bare, package_of

# a later group may import an earlier one, never the other way
GROUPS = (
    {"basis", "errors", "files", "storage", "places", "progress", "entry"},
    {"flow", "params", "inputs", "tables", "machine", "cluster", "node_copy", "workers", "runs"},
    {"scores", "pairing", "training", "drawing"},
    {"backbone", "judge", "held_out", "iin", "precision", "flow_task", "flow_pack", "interpretation"},
    {"prepare", "pretraining", "extract", "tuning", "evaluation", "interpret", "comparison", "flow_seeds", "stylise"},
    {"report"},
    {"tracking", "serve", "serve_images", "apply", "explore", "study", "concepts"},
)
RANK = {package: rank for rank, group in enumerate(GROUPS) for package in group}

# packages that are of use outside the pipeline: their own modules, and these of others
LIBRARIES = {
    "flow": {"torch"},
    "scores": {"numpy", "scipy", "sklearn", "threadpoolctl"},  # the last comes with scikit-learn
}
SHARED = {  # which of our other modules they import: these import numpy at most
    "flow": {"pipeline.basis.flow_shape", "pipeline.basis.layout", "pipeline.errors"},
    "scores": {"pipeline.basis.layout", "pipeline.errors", "pipeline.files", "pipeline.pairing.pairs"},
}
COMMAND = {"pipeline.scores.__main__": {"pyarrow", "ruamel"}}  # reads what people have; nothing imports it
MLFLOW = {"tracking", "serve", "serve_images"}
MOST_FILES = 248  # that hold more than a docstring
OTHERS = ("studies", "tests", "benchmarks", "infra")  # folders of code beside SOURCES

OURS = [name for name in SOURCES if name.startswith("pipeline.")]
FILES = sorted([*SOURCES.values(), *(file for name in OTHERS for file in (ROOT / name).rglob("*.py"))])
PATHS = {path: str(path.relative_to(ROOT)) for path in FILES}


def imports_of_ours(module: str) -> set[str]:
    return {name for name in imported_modules(SOURCES[module]) if name.startswith("pipeline.")}


def test_every_package_has_a_place_in_the_order() -> None:
    assert {package_of(module) for module in OURS} == set(RANK)


def test_a_later_group_is_never_imported() -> None:
    wrong = [
        f"{module} imports {name}"
        for module in OURS
        for name in sorted(imports_of_ours(module))
        if RANK[package_of(name)] > RANK[package_of(module)]
    ]
    assert wrong == []


def test_no_two_packages_import_each_other() -> None:
    arrows = {
        (package_of(module), package_of(name))
        for module in OURS
        for name in imports_of_ours(module)
        if package_of(name) != package_of(module)
    }
    assert not {(a, b) for a, b in arrows if (b, a) in arrows}


def test_only_tracking_and_serve_import_mlflow() -> None:
    importers = {
        package_of(module)
        for module, path in SOURCES.items()
        if any(name.split(".")[0] == "mlflow" for name in imported_modules(path))
    }
    assert importers == MLFLOW


def test_libraries_import_little() -> None:
    wrong = []
    for module in OURS:
        package = package_of(module)
        if package not in LIBRARIES:
            continue
        allowed = LIBRARIES[package] | COMMAND.get(module, set()) | set(sys.stdlib_module_names)
        for name in sorted(imported_modules(SOURCES[module])):
            ours = package_of(name) == package or name in SHARED[package]
            if not ours and name.split(".")[0] not in allowed:
                wrong.append(f"{module} imports {name}")
    assert wrong == []


def test_a_file_is_at_most_300_lines() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in FILES}
    assert [f"{PATHS[path]}: {number} lines" for path, number in lines.items() if number > 300] == []


def test_there_are_few_source_files() -> None:
    """A file is a thought and not a function."""
    assert len([name for name in SOURCES if not is_bare(name)]) <= MOST_FILES


def test_a_module_says_what_it_is_and_what_it_offers() -> None:
    wrong = [f"{module} {fault}" for module, path in SOURCES.items() if (fault := fault_of(module, path))]
    assert wrong == []


def fault_of(module: str, path: Path) -> str:
    """What a module lacks of a docstring and an `__all__` that holds what it has; nothing where all is well."""
    tree = ast.parse(path.read_text())
    if not ast.get_docstring(tree):
        return "has no docstring"
    if len(tree.body) == 1 or path.name == "__main__.py" or module.startswith("stages."):
        return ""  # a package that only says what it is, and modules from which nobody imports
    offered = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
    ]
    if len(offered) != 1:
        return "has no __all__"
    names = ast.literal_eval(offered[0])
    if not len(names) == len(set(names)) > 0:
        return "offers nothing, or a name twice"
    bound = {name.id for name in ast.walk(tree) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    bound |= {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    typed = [node for block in tree.body if isinstance(block, ast.If) for node in block.body]  # what is read lazily
    imports = [node for node in [*tree.body, *typed] if isinstance(node, ast.ImportFrom)]
    bound |= {alias.asname or alias.name for node in imports for alias in node.names}
    missing = sorted(set(names) - bound)
    return f"offers {', '.join(missing)}, which it does not have" if missing else ""


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


def test_what_is_not_public_in_a_library_is_used_with_a_reason() -> None:
    """A comment beside the line, or above it, says why; see `unpublished` for what counts."""
    wrong = []
    for path in FILES:
        lines = path.read_text().splitlines()
        for number in unpublished(path):
            above = lines[number - 2].strip() if number > 1 else ""
            if "#" not in lines[number - 1] and not above.startswith("#"):
                wrong.append(f"{PATHS[path]}:{number}: {lines[number - 1].strip()}")
    assert wrong == []


def test_uses_that_are_not_public_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(
        "import torch._inductor.config\n"
        "from ray._private import constants\n"
        "from torch.fx.experimental.proxy_tensor import make_fx\n"
        "from ray.train.v2.api import report_config\n"
        "from torchvision.transforms import v2\n"
        "from mlflow import _version\n"
        "import torch\n"
        "value = torch._dynamo.config.x\n"
        "version = torch.__version__\n"
        "from pipeline.apply.__main__ import _main\n"
        "def function(self): return self._own, torch.nn.functional.relu\n"
        "def other(group): return group[torch]._private\n"
    )
    assert unpublished(path) == [1, 2, 3, 4, 6, 8]


def unpublished(path: Path) -> list[int]:
    """Lines that name what is not public in a library: a part `_name` or `experimental` of a dotted name."""
    tree = ast.parse(path.read_text())
    libraries = set()
    dotted: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            libraries |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
            dotted += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            dotted += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if name.split(".")[0] in libraries and re.fullmatch(r"[\w.]+", name):
                dotted.append((node.lineno, name))
    return sorted({line for line, name in dotted if is_unpublished(name)})


def is_unpublished(name: str) -> bool:
    """`ray.train.v2` is where Ray keeps what `ray.train` offers; torchvision's `v2` is public."""
    if (ROOT / name.split(".")[0]).is_dir():
        return False  # our own
    private = re.search(r"(^|\.)(_(?!_)|experimental\b)", name)
    return bool(private) or name.startswith("ray.train.v2")


def test_the_long_tests_are_there() -> None:
    """Their order is a list of names, which a move would empty without a word."""
    tests = ROOT / "tests"
    assert [name for name in LONG if not (tests / name).is_dir() and not (tests / f"{name}.py").is_file()] == []


def test_mypy_reads_every_folder_of_code() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        settings = tomllib.load(file)["tool"]["mypy"]
    assert settings["strict"] is True
    assert {"pipeline", "stages", "benchmarks"} <= set(settings["files"])
