"""The factors of new images, an edit of them, and what the network makes of it: `python -m pipeline.apply`.

    python -m pipeline.apply --model models/layers/latent/iin --images photos --out applied
    python -m pipeline.apply --model models/layers/latent/iin --images photos --swap digit=photos/seven.png
    python -m pipeline.apply --model models/layers/latent/iin --images photos --set digit=7
    python -m pipeline.apply --model models/layers/latent/iin --images photos --edit colour:0=1.5
    python -m pipeline.apply --model models/layers/latent/iin --images photos --sample residual

`--model` is a folder of a trained map, or the id of its MLflow run. The network itself is read from `--backbone`, and
must be the one that the map was trained on. `--images` is a folder, or one image. Into `--out` go applied.parquet, a
row an image: its latent, how far that lies from those of the training, each of its factors, and of a classifier its
decision, of a regression or an embedding its values, before and after the edit; applied.png, the same for a few of
them; and in `edited`, one file an image, what a network that draws makes of the edit.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.apply.application import apply_to_images, read_images
from pipeline.apply.sheet import applied_sheet
from pipeline.backbone.generator import NO_ENCODER
from pipeline.backbone.kinds import load_backbone
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.drawing.sheet import house_style
from pipeline.entry import command_parser, require_results_alone, run
from pipeline.errors import InputError
from pipeline.files import atomic_folder
from pipeline.iin.iin import load_iin
from pipeline.inputs.paths import IMAGE_SUFFIXES
from pipeline.interpretation.edits import Edit, move, sample, swap
from pipeline.interpretation.interpretation import Interpretation
from pipeline.places import Places
from pipeline.prepare.sources.image_folder import image_files
from pipeline.tracking.model import experiment_of, iin_folder

__all__ = ["Request", "requested"]


TABLE, SHEET, EDITED = "applied.parquet", "applied.png", "edited"


@dataclass(frozen=True)
class Request:
    """An edit that a person asks for.

    Attributes:
        edit: of the codes of the images.
        words: what it does, as a caption says it.
    """

    edit: Edit
    words: str


def main() -> None:
    """Read the command line, apply, and write."""
    arguments = _arguments()
    require_results_alone(arguments.out, (TABLE, SHEET, EDITED))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    iin, backbone = load_iin(iin_folder(arguments.model)), load_backbone(arguments.backbone, device)
    try:
        interpretation = Interpretation.join(iin, backbone)
    except InputError as error:
        study = experiment_of(arguments.model) or "NAME"
        raise InputError(
            f"--backbone: {arguments.backbone}: {error}; a study has its own, for --backbone: "
            f"dvc get . models/backbone --rev {study} --out FOLDER (or all of it here: dvc exp apply {study})"
        ) from None
    if interpretation.draws_own_images:
        raise InputError(f"--model: {arguments.model}: {NO_ENCODER}")
    root, paths = _listed(arguments.images)
    request = requested(arguments, interpretation, len(paths))
    applied = apply_to_images(interpretation, paths, None if request is None else request.edit)
    backbone.require_untouched()
    words, names = None if request is None else request.words, backbone.class_names
    with house_style([*iin.layout.names, *(names or ()), words or ""]), atomic_folder(arguments.out) as beside:
        draws = backbone.draws_images and request is not None
        files = applied.write_images(beside / EDITED, root) if draws else None
        applied.write_table(beside / TABLE, iin.layout, names, files)
        applied_sheet(applied, names, words).save(beside / SHEET)
    worst = float((applied.outputs_back - applied.outputs).abs().max())
    print(
        f"{arguments.out}: {len(applied.paths)} images; largest difference of an output after T and back: {worst:.1e}"
    )
    for line in applied.warnings():
        print(f"warning: {line}", file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = command_parser("python -m pipeline.apply", __doc__)
    parser.add_argument("--model", required=True, metavar="FOLDER_OR_RUN")
    parser.add_argument("--images", required=True, type=Path, metavar="FOLDER_OR_FILE")
    parser.add_argument("--backbone", type=Path, default=Places().backbone, metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("applied"), metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0, help="of --sample and --spread")
    edits = parser.add_mutually_exclusive_group()
    edits.add_argument("--swap", metavar="FACTOR=IMAGE", help="take a factor from another image")
    edits.add_argument("--set", metavar="CONCEPT=VALUE", help="a class, or numbers of a continuous concept: colour=red")
    edits.add_argument("--edit", metavar="FACTOR:NUMBER=AMOUNT", help="add to one number of a factor, counted from 0")
    edits.add_argument("--sample", metavar="FACTOR", help="draw a factor anew from N(0, 1)")
    parser.add_argument("--spread", action="store_true", help="of --set: each image gets its own draw of the value")
    arguments = parser.parse_args()
    if arguments.spread and arguments.set is None:
        raise InputError("--spread: found without --set; accepted is --set CONCEPT=VALUE --spread")
    return arguments


def requested(arguments: argparse.Namespace, interpretation: Interpretation, num: int) -> Request | None:
    """The edit that the command line names; None where it names none.

    Args:
        arguments: with `swap`, `set`, `edit` and `sample`, of which one may be given, `spread` and `seed`.
        interpretation: whose codes are edited; it encodes the donor of a swap.
        num: of the images.

    Raises:
        InputError: there is no such factor, number or value, or the donor can't be read.
    """
    if arguments.swap is not None:
        return _swap(arguments.swap, interpretation, num)
    if arguments.sample is not None:
        factor = _factor(arguments.sample, interpretation.layout, "--sample")
        return Request(sample(factor, draw_seed(arguments.seed, "apply")), f"the {factor} drawn anew from N(0, 1)")
    if arguments.set is not None:
        return _set(arguments.set, interpretation, draw_seed(arguments.seed, "apply") if arguments.spread else None)
    return None if arguments.edit is None else _move(arguments.edit, interpretation.layout)


def _swap(text: str, interpretation: Interpretation, num: int) -> Request:
    """FACTOR=IMAGE: that factor of that image, for each of `num` images."""
    name, _, image = text.partition("=")
    factor = _factor(name, interpretation.layout, "--swap")
    donor = interpretation.codes(read_images([Path(image)], interpretation.iin))
    return Request(swap(factor, donor.expand(num, -1)), f"the {factor} of {Path(image).name}")


def _set(text: str, interpretation: Interpretation, seed: int | None) -> Request:
    """CONCEPT=VALUE: that value, without a donor; of a seed each image gets its own draw of it."""
    concept, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set: found {text!r}, expected CONCEPT=VALUE")
    try:
        return Request(interpretation.set_to(concept, value, seed), f"the {concept} set to {value}")
    except InputError as error:
        raise InputError(f"--{error}") from None


def _move(text: str, layout: Layout) -> Request:
    """FACTOR:NUMBER=AMOUNT: that amount along one number of a factor."""
    where, _, amount = text.partition("=")
    name, _, number = where.partition(":")
    factor = _factor(name, layout, "--edit")
    size = layout.sizes[layout.index(factor)]
    try:
        direction = torch.nn.functional.one_hot(torch.tensor(int(number)), size)
        return Request(move(factor, direction, float(amount)), f"{float(amount):+g} on number {number} of the {factor}")
    except (ValueError, RuntimeError):
        raise InputError(
            f"--edit: found {text!r}, expected {factor}:NUMBER=AMOUNT with a number of 0 to {size - 1}"
        ) from None


def _factor(name: str, layout: Layout, option: str) -> str:
    if name not in layout.names:
        raise InputError(f"{option}: no factor '{name}', accepted are {', '.join(layout.names)}")
    return name


def _listed(images: Path) -> tuple[Path, list[Path]]:
    """A folder, and the images in it: all of a folder that was named, or the one that was."""
    if images.is_file():
        return images.parent, [images]
    if not images.is_dir():
        raise InputError(f"--images: {images} is not there; a folder or one image is expected")
    paths = image_files(images)
    if not paths:
        raise InputError(f"--images: no images in {images}; accepted are {', '.join(IMAGE_SUFFIXES)}")
    return images, paths


if __name__ == "__main__":
    run(main)
