"""Run a study beside the workspace: `python -m pipeline.study NAME`.

A study is a small file of the params that differ, `studies/<name>.yaml`. This is `dvc exp run --temp --name <name>
-S key=value …` with absolute addresses for MLflow and the checkpoints, as the experiment runs in a folder of its own
that is removed afterwards. The workspace stays as it was; `dvc exp show` and the MLflow experiment hold the result.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from dvc.dirs import global_config_dir
from pydantic import BaseModel

from pipeline.entry import run
from pipeline.errors import InputError
from pipeline.files import parse_yaml, read_yaml
from pipeline.inputs.paths import data_root
from pipeline.params import DATA_ROOT, Params, load_params
from pipeline.params.section import PathName
from pipeline.places import Places
from pipeline.storage.remote import is_url

__all__ = ["absolute", "assignments", "read_study", "uncommitted"]


def main() -> None:
    """Replace this process by `dvc exp run`."""
    if len(sys.argv) != 2:
        raise InputError(f"usage: python -m pipeline.study NAME; there are {_names()}")
    name, project = sys.argv[1], Places(Path.cwd())  # absolute, as the experiment runs in another folder
    changes = read_study(name)
    edits = uncommitted(project)
    machine = load_params().machine
    folders = {"storage": machine.storage} | ({} if machine.data_root is None else {"data_root": machine.data_root})
    machines = {key: folder if is_url(folder) else str(project.root / folder) for key, folder in folders.items()}
    if DATA_ROOT in os.environ:
        os.environ[DATA_ROOT] = str(project.root / str(data_root(None)))
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{project.store}")
    os.environ.update(_identity() | _named_in_ascii(project.root))
    # An earlier run of the study makes room; `--force` would do so too, but also run every stage anew.
    subprocess.run(["dvc", "exp", "remove", name], capture_output=True, check=False)
    command = ["dvc", "exp", "run", "--temp", "--name", name]
    stated = read_yaml(project.params)
    changes = absolute({**changes, "study": name, "machine": machines}, stated, project.root)
    for assignment in assignments(changes, stated):
        command += ["-S", assignment]
    if edits:
        print(f"study {name}: on params.yaml with its edits that are not committed: {', '.join(edits)}", flush=True)
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


def uncommitted(project: Places) -> list[str]:
    """Keys of params.yaml, dotted, that differ from the last commit: the study takes them as they stand.

    Raises:
        InputError: there is no repository of git, or it holds no params.yaml.
    """
    try:
        shown = subprocess.run(
            ["git", "show", f"HEAD:./{project.params.name}"], cwd=project.root, capture_output=True, check=True
        )
    except FileNotFoundError:
        raise InputError("a study is an experiment of DVC, which needs git; git is not there") from None
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().partition("\n")[0]
        raise InputError(
            f"a study is an experiment of DVC, which needs a commit of git that holds {project.params.name} ({reason})"
        ) from None
    committed, found = _flat(parse_yaml(shown.stdout, f"HEAD:{project.params.name}")), _flat(read_yaml(project.params))
    return sorted(key for key in committed | found if key not in committed or committed[key] != found.get(key))


def absolute(
    changes: Mapping[str, Any], stated: Mapping[str, Any], root: Path, section: type[BaseModel] = Params
) -> dict[str, Any]:
    """The params that differ, and the paths of what git does not hold by their absolute address.

    An experiment begins as a copy of what git holds: images, tables and weights beside it stay where they are.

    Args:
        changes: the params that differ.
        stated: the params that they differ from.
        root: the project's folder, which is the working folder.
        section: whose keys they are.
    """
    changed = dict(changes)
    for key, field in section.model_fields.items():
        value, kind = changes.get(key, stated.get(key)), field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            before, after = stated.get(key), changes.get(key, {})
            if isinstance(after, Mapping):
                inner = absolute(after, before if isinstance(before, Mapping) else {}, root, kind)
                changed |= {key: inner} if inner else {}
        elif PathName in get_args(kind) and isinstance(value, str):
            changed |= {key: address} if (address := _beside_git(value, root, folders=key != "network")) else {}
        elif PathName in get_args(kind) and isinstance(value, Mapping):
            there = {name: _beside_git(path, root, folders=True) or path for name, path in value.items()}
            changed |= {key: there} if there != value else {}
    return changed


def _beside_git(path: str, root: Path, *, folders: bool) -> str | None:
    """The absolute address of a relative path or glob here that git does not hold, or not all of; None: it is no such.

    Args:
        path: a key's value, which may be a name of something else.
        root: the project's folder.
        folders: whether it may name a folder; a network that is called like one is none.
    """
    if Path(path).is_absolute() or (Path(path).is_dir() and not folders):
        return None
    if Path(path).exists():
        found, address = [path], Path(root, path)
    else:
        found, address = glob.glob(path, recursive=True), Path(glob.escape(str(root)), path)  # noqa: PTH207  a pattern
    if not found:
        return None
    command = ["git", "ls-files", "--others", "--", *(f":(literal){name}" for name in found[:1000])]
    return str(address) if subprocess.run(command, capture_output=True, check=True).stdout else None


def assignments(
    changes: Mapping[str, Any],
    stated: Mapping[str, Any],
    section: type[BaseModel] = Params,
    prefix: str = "",
) -> Iterator[str]:
    """What `dvc exp run -S` takes for each param that differs, quoted as Hydra's grammar has it.

    Keys of a section are changed one by one; a mapping that is a value, such as `data.graded`, is replaced as a whole.

    Args:
        changes: the params that differ.
        stated: the params that they differ from.
        section: whose keys they are.
        prefix: what stands before a key, with its dot.

    Raises:
        InputError: a key or a value is one that the grammar cannot carry.
    """
    for key, value in changes.items():
        path = f"{prefix}{key}"
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(key)):
            raise InputError(f"{path}: unknown key")
        inner = section.model_fields[key].annotation if key in section.model_fields else None
        before = stated.get(key)
        if isinstance(value, Mapping) and isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from assignments(value, before if isinstance(before, Mapping) else {}, inner, f"{path}.")
            continue
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            yield f"~{path}"
        yield f"++{path}={_written(value, path)}"


def _written(value: Any, path: str) -> str:
    """A value in Hydra's grammar."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str) and value != "???":  # which OmegaConf has for what is missing
        return _quoted(value)
    if isinstance(value, list):
        return f"[{','.join(_written(item, path) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{','.join(f'{_key(key, path)}:{_written(item, path)}' for key, item in value.items())}}}"
    raise InputError(f"{path}: {value!r} can't be carried by `dvc exp run -S`; accepted are numbers, strings and lists")


def _quoted(text: str) -> str:
    """A string in quotes; backslashes count double before a quote, and before what OmegaConf takes for a reference."""
    text = re.sub(r"(\\*)\$\{", r"\1\1\\${", text)
    text = re.sub(r"(\\*)'", r"\1\1\\'", text)
    ending = re.search(r"\\*\Z", text)
    return f"'{text}{ending.group() if ending else ''}'"


def _key(key: Any, path: str) -> str:
    """A key of a mapping that is a value: Hydra knows no quotes there, and no letters but those of ASCII."""
    text = str(key)
    word = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_\-/\\+.%*@?|()\[\]{}:=, ]*(?<! )", text)
    if word is None or text.lower() in ("true", "false", "null", "inf", "nan"):
        raise InputError(
            f"{path}: key '{text}' can't be carried by `dvc exp run -S`; have this mapping in params.yaml itself"
        )
    return re.sub(r"[\\()\[\]{}:=, ]", r"\\\g<0>", text)


def _flat(content: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted key → value, of nested mappings."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        inner = isinstance(value, Mapping) and value
        flat |= _flat(value, f"{prefix}{key}.") if inner else {f"{prefix}{key}": value}
    return flat


def _identity() -> dict[str, str]:
    """Names for the commit of an experiment, which dvc refuses to make where git knows none, as on a new machine."""
    if subprocess.run(["git", "config", "user.email"], capture_output=True, check=False).returncode == 0:
        return {}
    roles, name = ("AUTHOR", "COMMITTER"), {"NAME": "study", "EMAIL": "study@localhost"}
    return {f"GIT_{role}_{part}": os.environ.get(f"GIT_{role}_{part}", name[part]) for role in roles for part in name}


def _named_in_ascii(project: Path) -> dict[str, str]:
    """Settings for an experiment in a folder such as `Jörg`: dvc writes where its cache is into a file of ASCII alone.

    So the cache goes by a link there, which a copy of the person's own settings names.
    """
    if str(project).isascii():
        return {}
    cache, folder = project / ".dvc" / "cache", Path(tempfile.mkdtemp(prefix="iin-study-"))
    cache.mkdir(exist_ok=True)
    (folder / "cache").symlink_to(cache)
    own = Path(global_config_dir(), "config")
    if own.is_file():
        shutil.copy(own, folder)
    settings = {"DVC_GLOBAL_CONFIG_DIR": str(folder)}
    command = ["dvc", "config", "--global", "cache.dir", str(folder / "cache")]
    subprocess.run(command, env=os.environ | settings, capture_output=True, check=True)
    return settings


def _names() -> str:
    return ", ".join(sorted(path.stem for path in Places().studies.glob("*.yaml"))) or "none"


if __name__ == "__main__":
    run(main)
