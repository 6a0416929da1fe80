"""Whether images and numbers are enough to learn from and to score, where both are first known: before any training."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.backbone.cut import Noise
from pipeline.errors import InputError
from pipeline.tables.parquet import category_columns, concept_column, read_schema, read_table

__all__ = ["require_dimensions", "require_scorable", "said_of_few"]

_FEWEST = 5  # test originals: a probe has as many folds


def require_scorable(images: Path) -> None:
    """Refuse test images that no score can be computed of, whatever the network.

    Args:
        images: folder of the images table.

    Raises:
        InputError: fewer than five originals have a value in every concept, or all of these share one.
    """
    path = images / "test.parquet"
    concepts: list[str] = read_schema(path)[1]["concepts"]
    table, _ = read_table(path, ["original", *map(concept_column, concepts)])
    labels = np.array(list(category_columns(table, concepts, path).values())).reshape(-1, table.num_rows)
    complete = (labels >= 0).all(axis=0)
    originals = len(np.unique(table["original"].to_numpy()[complete]))
    if originals < _FEWEST:
        raise InputError(
            f"{path}: {originals} originals have a value in every concept, at least {_FEWEST} are needed to score it; "
            "see data.test_share and data.concepts"
        )
    for name, column in zip(concepts, labels[:, complete], strict=True):
        if len(np.unique(column)) < 2:
            raise InputError(
                f"{path}: the {complete.sum()} images that have a value in every concept have one value in '{name}', "
                "at least two are needed to score it; see data.test_share and data.concepts"
            )


def require_dimensions(layer: str, num_dims: int, num_concepts: int) -> None:
    """Refuse a layer with fewer numbers than there are factors.

    Args:
        layer: its name.
        num_dims: N, the numbers of it that vary.
        num_concepts: K.

    Raises:
        InputError: N is below K + 1.
    """
    if num_dims < num_concepts + 1:
        raise InputError(
            f"layers: {num_dims} numbers of layer '{layer}' vary over the training images, at least {num_concepts + 1} "
            f"are needed for {num_concepts} concepts and the residual: see latents.reduce and data.concepts"
        )


def said_of_few(layer: str, num_dims: int, rows: Mapping[str, int], reduce: str, noise: Noise) -> str:
    """What evaluate will leave out, as there are too few images for so many numbers; empty where that is nothing.

    Args:
        layer: its name.
        num_dims: N.
        rows: of each split.
        reduce: what of the layer is z, as a card names it.
        noise: of the layer, which says whether it is a module, the latent of an autoencoder or the z of a generator.
    """
    wanted = {"block_tc": ("test", 2 * num_dims)}
    if noise != "none":  # a generator's z is drawn from a Gaussian: none is fitted to it
        wanted["nll/gain_over_gaussian"] = ("training", num_dims)
    found = {"test": rows["test"], "training": rows["train"]}
    short = [
        f"{score}, which needs more than {least} {split} images (there are {found[split]})"
        for score, (split, least) in wanted.items()
        if found[split] <= least
    ]
    if not short:
        return ""
    enough = min((rows["test"] - 1) // 2, rows["train"] - 1)  # the largest N of which nothing is left out
    helps = ", or ".join([*_narrower(reduce, noise, enough), "more images"])
    return f"extract {layer}: {num_dims} dimensions leave out {' and '.join(short)}; what helps is {helps}"


def _narrower(reduce: str, noise: Noise, enough: int) -> list[str]:
    """What would make z narrower that is not set yet; of a generator, whose z is what it is, nothing."""
    if noise != "jitter":
        return [f"a backbone.num_dims up to {enough}"] if noise == "encoder" and enough >= 2 else []
    ways = ["a narrower layer"]
    if reduce == "none":
        ways.append("of a map or tokens latents.reduce: mean")
    if enough >= 2:
        ways.append(f"latents.reduce: {{pca: {enough}{', of: none' if reduce.endswith('none') else ''}}}")
    return ways
