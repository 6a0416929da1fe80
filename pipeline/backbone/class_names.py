"""What the classes of a network are called: from a person's own file, or as the images table calls them."""

from pathlib import Path

from pipeline.errors import InputError
from pipeline.inputs.network_files import read_class_names
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["names_of_classes"]

_KEY = "backbone.class_names"


def names_of_classes(params: BackboneParams, images: Images, num: int) -> list[str] | None:
    """Names in the order of the logits; None where nobody has said them.

    Args:
        params: section `backbone`, which names a file, or none.
        images: rows of the images table.
        num: of the classes.

    Raises:
        InputError: the file is missing or can't be read, or has not one name for each class.
    """
    if params.class_names is None:
        return None if params.concept is None else images.class_names.get(params.concept)
    path = Path(params.class_names)
    names = read_class_names(path)
    if len(names) != num:
        raise InputError(f"{_KEY}: {path} has {len(names)} names, the network {num} classes")
    return names
