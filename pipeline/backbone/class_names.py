"""What the classes of a network are called: from a person's own file, or as the images table calls them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, one_line
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["names_of_classes"]

_KEY = "backbone.class_names"
_MAPPING = "id2label"  # in the config.json of transformers, among much else


def names_of_classes(params: BackboneParams, images: Images, num: int) -> list[str] | None:
    """Names in the order of the logits; None where nobody has said them.

    Args:
        params: section `backbone`, whose file, if any, is JSON of a list of names or of a mapping from number to name,
            which may lie under `id2label`; of any other file each line is a name.
        images: rows of the images table.
        num: of the classes.

    Raises:
        InputError: the file is missing or can't be read, has not one name for each class, or has those of the concept
            in another order.
    """
    concept = None if params.concept is None else images.class_names.get(params.concept)
    if params.class_names is None:
        return concept
    path = Path(params.class_names)
    names = _read(path)
    if len(names) != num:
        raise InputError(f"{_KEY}: {path} has {len(names)} names, the network {num} classes")
    if concept is not None and names != concept and sorted(names) == sorted(concept):
        number = next(number for number in range(num) if names[number] != concept[number])
        raise InputError(
            f"{_KEY}: {path} calls class {number} '{names[number]}', concept '{params.concept}' calls it "
            f"'{concept[number]}': the network was trained on another order of the classes"
        )
    return names


def _read(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8-sig")
        names = _of_json(json.loads(text)) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:  # of UTF-8 and of JSON, too
        raise InputError(f"{_KEY}: {path} can't be read ({one_line(error, 150)})") from None
    names = [name.strip() for name in names]
    while names and not names[-1]:
        names.pop()
    return names


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
