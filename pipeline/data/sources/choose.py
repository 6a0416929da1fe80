"""The source that section `data` names."""

from pipeline.config import DataParams
from pipeline.data.sources.celeba import celeba
from pipeline.data.sources.cifar10 import cifar10
from pipeline.data.sources.colormnist import ColorMnist
from pipeline.data.sources.image_folder import image_folder
from pipeline.data.sources.mnist import fashion_mnist, mnist, mnist_digits
from pipeline.data.sources.parquet import parquet
from pipeline.data.sources.roots import Roots
from pipeline.data.sources.source import Source
from pipeline.data.sources.stored import Decoder
from pipeline.errors import InputError

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
