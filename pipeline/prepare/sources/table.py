"""Where images come from, one file a source and one line in the table; `data.source` chooses.

The images of a generator are no line of it: the network draws them (`generator.generated_source`).
"""

from collections.abc import Callable, Mapping

from pipeline.errors import InputError
from pipeline.params import DataParams
from pipeline.prepare.sources.colormnist import ColorMnist
from pipeline.prepare.sources.decoder import Decoder
from pipeline.prepare.sources.image_folder import CLASS, image_folder
from pipeline.prepare.sources.parquet import parquet
from pipeline.prepare.sources.stored_images import Source
from pipeline.prepare.sources.torchvision_sets import Roots, celeba, cifar10, fashion_mnist, mnist, mnist_digits

__all__ = ["SOURCES", "open_source"]


def open_source(params: DataParams, seed: int, roots: Roots) -> Source:
    """Open the source that `data.source` names; its images are read later.

    Args:
        params: section `data`.
        seed: the study's, for colours.
        roots: where torchvision's data sets lie.

    Raises:
        InputError: there is no such source, what it needs is not there, or it has no such concept.
    """
    if params.source not in SOURCES:
        raise InputError(f"data.source: found '{params.source}', accepted are {', '.join(SOURCES)}")
    source = SOURCES[params.source](params, seed, roots)
    for concept in params.own_concepts:
        if concept not in source.categories:
            raise InputError(
                f"data.concepts: no concept '{concept}' in source {params.source}; its concepts are "
                f"{', '.join(source.categories)}"
            )
    return source


def _colormnist(params: DataParams, seed: int, roots: Roots) -> Source:
    num_colours = None if params.palette == "named" else params.num_colours
    return ColorMnist(num_colours, seed, mnist_digits(roots) if params.digits == "mnist" else None)


def _image_folder(params: DataParams, _seed: int, roots: Roots) -> Source:
    table = roots.resolve(params.table)
    own = () if params.table else (CLASS,)
    concepts = params.own_concepts or own
    return image_folder(_path(params, roots), table, concepts, params.graded, _decoder(params), params.only)


def _parquet(params: DataParams, _seed: int, roots: Roots) -> Source:
    path, column = _path(params, roots), params.image_column
    return parquet(path, column, params.own_concepts, params.graded, _decoder(params), params.only)


def _path(params: DataParams, roots: Roots) -> str:
    path = roots.resolve(params.path)
    assert path is not None  # as its section has been checked
    return path


def _decoder(params: DataParams) -> Decoder:
    return Decoder(params.image_size, params.image_mode, value_range=params.image_range)


SOURCES: Mapping[str, Callable[[DataParams, int, Roots], Source]] = {
    "colormnist": _colormnist,
    "mnist": lambda _params, _seed, roots: mnist(roots),
    "fashion_mnist": lambda _params, _seed, roots: fashion_mnist(roots),
    "cifar10": lambda _params, _seed, roots: cifar10(roots),
    "celeba": lambda params, _seed, roots: celeba(roots, params.image_size, next(iter(params.own_concepts), None)),
    "image_folder": _image_folder,
    "parquet": _parquet,
}
