"""Where the project's folders lie is said in one file."""

import ast
from pathlib import Path

from imports import SOURCES

from pipeline.places import Places

OF_A_LAYER = (
    *("latents", "flow_file", "iin", "results", "scores", "metrics", "transitions", "figures"),
    *("turns", "curves_table", "report"),
)


def _names() -> set[str]:
    """How a path of the project begins, or ends where it is a file."""
    places = Places()
    properties = [name for name, member in vars(Places).items() if isinstance(member, property)]
    paths = [getattr(places, name) for name in properties] + [getattr(places, name)("layer") for name in OF_A_LAYER]
    paths = [path for path in paths if isinstance(path, Path)]  # `models` is a map of its own
    return {path.parts[0] for path in paths} | {path.name for path in paths if path.suffix}


NAMES = _names()


def _path_literals(source: str) -> list[str]:
    """Strings that are joined by `/`, or that `Path` or `open` is called with."""
    parts: list[ast.expr] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            parts += [node.left, node.right]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("Path", "open"):
            parts += node.args
    return [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def test_what_counts_as_a_literal() -> None:
    assert {"models", "params.yaml", "scores.json"} <= NAMES
    assert _path_literals('Path("models/layers") / layer / "flow.yaml"; f("models")') == ["flow.yaml", "models/layers"]


OWN = {"pipeline.comparison.layers": {"scores.json"}}  # of the folder that it writes


def test_no_other_file_names_the_projects_folders() -> None:
    named = {}
    for module in SOURCES.keys() - {"pipeline.places"}:
        parts = [literal.split("/") for literal in _path_literals(SOURCES[module].read_text())]
        names = {name for part in parts for name in (part[0], part[-1]) if name in NAMES}
        if names - OWN.get(module, set()):
            named[module] = sorted(names)
    assert not named
