"""Where images come from, one file a source; `data.source` chooses."""

from pipeline.errors import InputError
from pipeline.params import DataParams
from pipeline.prepare.sources.colormnist import ColorMnist
from pipeline.prepare.sources.image_folder import image_folder
from pipeline.prepare.sources.parquet import parquet
from pipeline.prepare.sources.source import Decoder, Source
from pipeline.prepare.sources.torchvision_sets import Roots, celeba, cifar10, fashion_mnist, mnist, mnist_digits

__all__ = ["open_source"]


def open_source(params: DataParams, seed: int, roots: Roots) -> Source:
    """Open it; images are read later.

    Args:
        params: section `data`.
        seed: the study's, for colours.
        roots: where torchvision's data sets lie.

    Raises:
        InputError: what it needs is not there, or it has no such concept.
    """
    source = _opened(params, seed, roots)
    for concept in params.concepts:
        if concept not in source.categories:
            known = ", ".join(source.categories)
            raise InputError(
                f"data.concepts: no concept '{concept}' in source {params.source}; its concepts are {known}"
            )
    return source


def _opened(params: DataParams, seed: int, roots: Roots) -> Source:
    decode = Decoder(params.image_size, params.image_mode)
    if params.source == "colormnist":
        return ColorMnist(params.num_colours, seed, mnist_digits(roots) if params.digits == "mnist" else None)
    if params.source == "mnist":
        return mnist(roots)
    if params.source == "fashion_mnist":
        return fashion_mnist(roots)
    if params.source == "cifar10":
        return cifar10(roots)
    if params.source == "celeba":
        return celeba(roots, params.image_size, params.concepts[0])
    path = roots.resolve(params.path)
    assert path is not None  # as its section has been checked
    if params.source == "image_folder":
        return image_folder(path, roots.resolve(params.table), params.concepts, params.graded, decode)
    return parquet(path, params.image_column, params.concepts, params.graded, decode)
