"""Files of a network that was brought along: what can be told of them at once, before a stage opens the network.

Whether weights fit, the network alone can say. That a file holds none at all, such as a page of an error or the
pointer that Git LFS leaves in its place, its first bytes say; names of classes are read whole.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, one_line

__all__ = ["read_class_names", "require_exported", "require_weights"]

_ZIP, _PICKLE = b"PK", b"\x80"  # torch.save writes a zip, and before its version 1.6 wrote a pickle
_LONGEST = 100_000_000  # bytes of the header of safetensors, by its specification
_SHOWN = 20  # bytes in an error
_MAPPING = "id2label"  # in the config.json of transformers, among much else


def require_weights(path: Path) -> None:
    """Refuse a file that can hold no weights: no header of safetensors, or not the first bytes of a checkpoint.

    Args:
        path: of a file that is there.

    Raises:
        InputError: it holds something else.
    """
    if path.suffix != ".safetensors":
        _require_start(path, "backbone.weights", "checkpoint of torch", (_ZIP, _PICKLE))
        return
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        sound = 2 <= length <= _LONGEST and _is_mapping(file.read(length))
    if not sound:
        _require_start(path, "backbone.weights", "safetensors", ())


def require_exported(path: Path, key: str = "backbone.network", what: str = "exported program") -> None:
    """Refuse a file that can't be what torch.export.save, or torch.jit.save, writes, which is a zip.

    Args:
        path: of a file that is there.
        key: that names it.
        what: it should be.

    Raises:
        InputError: it holds something else.
    """
    _require_start(path, key, what, (_ZIP,))


def _require_start(path: Path, key: str, what: str, starts: tuple[bytes, ...]) -> None:
    with path.open("rb") as file:
        found = file.read(_SHOWN)
    if not found.startswith(starts):
        begins = f"it begins with {found.decode('latin-1')!r}" if found else "it is empty"
        raise InputError(f"{key}: {path} is no {what}: {begins}")


def read_class_names(path: Path) -> list[str]:
    """Names of classes in the order of the logits.

    Args:
        path: JSON of a list of names or of a mapping from number to name, which may lie under `id2label`; of any other
            file each line is a name.

    Raises:
        InputError: the file is missing or can't be read.
    """
    try:
        text = path.read_text("utf-8-sig")
        names = _of_json(json.loads(text)) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:  # of UTF-8 and of JSON, too
        raise InputError(f"backbone.class_names: {path} can't be read ({one_line(error, 150)})") from None
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    return names


def _is_mapping(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _of_json(content: Any) -> list[str]:
    if isinstance(content, Mapping) and isinstance(content.get(_MAPPING), Mapping):
        content = content[_MAPPING]
    if isinstance(content, Mapping) and all(key.isdecimal() for key in content):
        by_number = {int(key): name for key, name in content.items()}
        if sorted(by_number) != list(range(len(by_number))):
            raise ValueError(f"its numbers are not 0 to {len(by_number) - 1}, each once")
        # of ImageNet's usual file each is a list, whose last entry is the name
        content = [name[-1] if isinstance(name, list) and name else name for _, name in sorted(by_number.items())]
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise ValueError("a list of names, or a mapping from number to name, is expected")
    return content
