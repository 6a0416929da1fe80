"""params.yaml is read and checked as a whole; of what is wrong the first key is one clear line."""

import difflib
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from pipeline.errors import InputError
from pipeline.files import read_yaml
from pipeline.params.study import Params
from pipeline.places import Places

__all__ = ["load_params"]


def load_params(path: Path | str | None = None) -> Params:
    """Read and check params.yaml: that of the working folder, where no other is named.

    YAML 1.2 is read (`1e-3` is a number), as DVC reads it.

    Raises:
        InputError: one line that names the file, the key, the value found and what is accepted.
    """
    path = Places().params if path is None else Path(path)
    content = read_yaml(path, "run from the project's folder")
    if not isinstance(content, dict):
        raise InputError(f"{path}: found {type(content).__name__}, expected sections such as `data:` and `flow:`")
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise InputError(f"{path}: {_describe(error.errors())}") from None


def _describe(errors: list[Any]) -> str:
    """One line for the first key that pydantic found wrong."""
    error = errors[0]
    if error["type"] == "extra_forbidden":
        key = ".".join(str(part) for part in error["loc"])
        accepted = _keys_beside(error["loc"])
        near = difflib.get_close_matches(str(error["loc"][-1]), accepted, n=1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        return f"{key}: unknown key; {hint}accepted are {', '.join(accepted)}"
    if error["type"] == "value_error" and isinstance(error["input"], dict):  # of several keys of a section, or of all
        return _message(error)
    # a key that takes either of two types has an error for each; one that lies deeper names the wrong item of a list
    keys = [_key(other) for other in errors]
    deepest = max((key for key in keys if f"{key}.".startswith(f"{keys[0]}.")), key=len)
    alike = [other for other, key in zip(errors, keys, strict=True) if key == deepest]
    found = alike[0]["input"]
    shown = list(found) if isinstance(found, tuple) else found  # as YAML has it
    return f"{deepest}: found {shown!r}: {' or '.join(_message(other) for other in alike)}"


def _key(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"] if isinstance(part, int) or part in _field_names())


def _message(error: Any) -> str:
    message = str(error["msg"]).removeprefix("Value error, ").replace("valid tuple", "list").replace("Tuple", "List")
    if error["type"] == "model_type":
        message = "input should be a section of keys and values"
    return message[0].lower() + message[1:]


def _keys_beside(location: tuple[Any, ...]) -> list[str]:
    model: type[BaseModel] = Params
    for part in location[:-1]:
        annotation = model.model_fields[part].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, BaseModel)
        model = annotation
    return list(model.model_fields)


def _field_names() -> set[str]:
    """Names of sections and keys; pydantic's locations also hold names of union members, which no person wrote."""
    pending: list[type[BaseModel]] = [Params]
    names: set[str] = set()
    while pending:
        for name, field in pending.pop().model_fields.items():
            names.add(name)
            parts = (field.annotation, *get_args(field.annotation))
            pending += [part for part in parts if isinstance(part, type) and issubclass(part, BaseModel)]
    return names
