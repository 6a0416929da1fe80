"""Run a study beside the workspace: `python -m pipeline.study NAME`.

A study is a small file of the params that differ, `studies/<name>.yaml`. This is `dvc exp run --temp --name <name>
-S key=value …` with absolute addresses for MLflow and the checkpoints, as the experiment runs in a folder of its own
that is removed afterwards. The workspace stays as it was; `dvc exp show` and the MLflow experiment hold the result.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.entry import run
from pipeline.errors import InputError
from pipeline.files import read_yaml
from pipeline.params import DATA_ROOT, load_params
from pipeline.places import Places

__all__ = ["assignments", "read_study"]


def main() -> None:
    """Replace this process by `dvc exp run`."""
    if len(sys.argv) != 2:
        raise InputError(f"usage: python -m pipeline.study NAME; there are {_names()}")
    name, project = sys.argv[1], Places(Path.cwd())  # absolute, as the experiment runs in another folder
    machine = load_params().machine
    folders = {"storage": machine.storage} | ({} if machine.data_root is None else {"data_root": machine.data_root})
    absolute = {key: str(project.root / folder) for key, folder in folders.items()}
    if DATA_ROOT in os.environ:
        os.environ[DATA_ROOT] = str(project.root / os.environ[DATA_ROOT])
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{project.store}")
    os.environ.update(_identity())
    changes = {**read_study(name), "study": name, "machine": absolute}
    # An earlier run of the study makes room; `--force` would do so too, but also run every stage anew.
    subprocess.run(["dvc", "exp", "remove", name], capture_output=True, check=False)
    command = ["dvc", "exp", "run", "--temp", "--name", name]
    for assignment in assignments(changes, read_yaml(project.params)):
        command += ["-S", assignment]
    os.execvp(command[0], command)


def read_study(name: str) -> dict[str, Any]:
    """The params that differ in a study.

    Raises:
        InputError: if there is no such study, or its file holds no sections.
    """
    path = Places().studies / f"{name}.yaml"
    content = read_yaml(path, f"there are {_names()}")
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {type(content).__name__}, expected the params that differ, such as `flow:`")
    return content


def assignments(changes: Mapping[str, Any], stated: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """`key=value` for each param that differs, keys dotted, lists and null as YAML writes them in a line.

    A key that params.yaml does not have, such as an argument of a callable, is added, which `++` stands for.

    Args:
        changes: the params that differ.
        stated: those of params.yaml.
        prefix: of the keys, where they are of a section.

    Example:
        >>> stated = {"flow": {"rho": 0.975, "sizes": "estimate"}, "backbone": {"arguments": {}}}
        >>> list(assignments({"flow": {"rho": 0.9, "sizes": [12, 10, 10]}}, stated))
        ['flow.rho=0.9', 'flow.sizes=[12,10,10]']
        >>> list(assignments({"backbone": {"arguments": {"depth": 3}}}, stated))
        ['++backbone.arguments.depth=3']
    """
    for key, value in changes.items():
        before = stated.get(key)
        if isinstance(value, dict):
            yield from assignments(value, before if isinstance(before, Mapping) else {}, f"{prefix}{key}.")
            continue
        sign = "" if key in stated else "++"
        if isinstance(value, list):
            yield f"{sign}{prefix}{key}=[{','.join(str(item) for item in value)}]"
        else:
            yield f"{sign}{prefix}{key}={'null' if value is None else value}"


def _identity() -> dict[str, str]:
    """Names for the commit of an experiment, which dvc refuses to make where git knows none, as on a new machine."""
    if subprocess.run(["git", "config", "user.email"], capture_output=True, check=False).returncode == 0:
        return {}
    roles, name = ("AUTHOR", "COMMITTER"), {"NAME": "study", "EMAIL": "study@localhost"}
    return {f"GIT_{role}_{part}": os.environ.get(f"GIT_{role}_{part}", name[part]) for role in roles for part in name}


def _names() -> str:
    return ", ".join(sorted(path.stem for path in Places().studies.glob("*.yaml"))) or "none"


if __name__ == "__main__":
    run(main)
