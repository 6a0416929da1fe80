"""The folder of a stage's runs, named by all that shapes its output: params, inputs and code.

The same command goes on from the checkpoints it finds there; another learning rate, other latents or another loss have
another folder. What shapes the output is what DVC tracks for the stage, so dvc.yaml is the one place that says it.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.files import read_yaml, sha256_file
from pipeline.places import Places
from pipeline.storage.remote import own_folder

__all__ = ["fingerprint", "run_folder", "run_folders"]


def run_folder(storage: str | Path, stage: str, layer: str | None = None, root: Path = Path()) -> Path:
    """Absolute `<storage>/<stage>-<layer>-<fingerprint>/`, with - for / in the layer's name; it need not exist.

    Args:
        storage: `machine.storage`: a folder relative to `root` or absolute, or a store, beside which a run has a folder
            in `.runs`.
        stage: name of the stage in dvc.yaml, without its layer.
        layer: of a stage that is a matrix over the layers.
        root: folder of dvc.yaml and params.yaml.
    """
    return run_folders(storage, stage, layer, (), root)[0]


def run_folders(
    storage: str | Path, stage: str, layer: str | None, free: Collection[str], root: Path = Path()
) -> tuple[Path, Path]:
    """Folder of a run as `run_folder` gives it, and the one that it shares with runs that differ in some keys alone.

    Args:
        storage: as of `run_folder`, as are the others.
        stage: as well.
        layer: as well.
        free: these keys, such as `tune.trials`, of params.yaml.
        root: as well.
    """
    tracked = _tracked(stage, layer, root)  # once, as all inputs are read for it
    shared = {**tracked, "params": dict(_without({f"{Places().params}:{key}" for key in free}, tracked["params"]))}
    names = ("-".join([stage, *([layer.replace("/", "-")] if layer else []), _digest(of)]) for of in (tracked, shared))
    own, common = ((root / own_folder(str(storage))).absolute() / name for name in names)
    return own, common


def fingerprint(stage: str, layer: str | None = None, root: Path = Path()) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a stage's command, params' values and dependencies' content.

    Section `machine` never enters, nor do compiled Python files.

    Raises:
        InputError: dvc.yaml has no such stage, a key of its params or a dependency is not there.
    """
    return _digest(_tracked(stage, layer, root))


def _digest(tracked: dict[str, Any]) -> str:
    text = json.dumps(tracked, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _tracked(stage: str, layer: str | None, root: Path) -> dict[str, Any]:
    """All that shapes the output of a stage."""
    entry = _stage(Places(root).pipeline, stage, layer)
    return {
        "cmd": entry["cmd"],
        "params": dict(_params(entry.get("params", []), stage, root)),
        "deps": {dep: _content(root / dep, stage) for dep in sorted(entry.get("deps", []))},
    }


def _without(free: Collection[str], params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """What `_params` gives, without some of its keys, or of those in its sections."""
    for name, value in params.items():
        if isinstance(value, dict):
            yield name, {key: own for key, own in value.items() if f"{name}.{key}" not in free}
        elif name not in free:
            yield name, value


def _stage(path: Path, stage: str, layer: str | None) -> dict[str, Any]:
    """Entry of dvc.yaml with `${item.layer}` filled in."""
    stages = _read(path).get("stages", {})
    if stage not in stages:
        raise InputError(f"{path}: no stage '{stage}'; there are {', '.join(stages)}")
    text = json.dumps(stages[stage])
    filled: dict[str, Any] = json.loads(text.replace("${item.layer}", layer) if layer else text)
    return filled


def _params(listed: list[Any], stage: str, root: Path) -> Iterator[tuple[str, Any]]:
    """(file:key, value) of what a stage lists, as `key` or as `{file: [key, …]}`; all keys where a file has none."""
    for item in listed:
        for file, keys in (item if isinstance(item, dict) else {Places().params: [item]}).items():
            content = _read(root / file)
            for key in keys or content:
                value: Any = content
                for part in key.split("."):
                    if not isinstance(value, dict) or part not in value:
                        raise InputError(f"{root / file}: no key '{key}', which stage '{stage}' of dvc.yaml lists")
                    value = value[part]
                if key.split(".")[0] != "machine":
                    yield f"{file}:{key}", value


def _content(path: Path, stage: str) -> dict[str, str]:
    """SHA-256 of a file, or of each file in a folder by its path there."""
    if path.is_file():
        return {"": sha256_file(path)}
    if not path.is_dir():
        raise InputError(f"{path}: not there, although stage '{stage}' of dvc.yaml depends on it; run `dvc repro`")
    files = (file for file in sorted(path.rglob("*")) if file.is_file())
    return {str(file.relative_to(path)): sha256_file(file) for file in files if not _is_compiled(file)}


def _is_compiled(file: Path) -> bool:
    return file.suffix == ".pyc" or "__pycache__" in file.parts


def _read(path: Path) -> dict[str, Any]:
    return read_yaml(path, "run from the project's folder") or {}
