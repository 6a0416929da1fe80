"""The factors of new images, an edit of them, and what the network makes of it: `python -m pipeline.apply.__main__`.

    python -m pipeline.apply.__main__ --model models/layers/latent/iin --images photos --out applied
    python -m pipeline.apply.__main__ --model models/layers/latent/iin --images photos --swap digit=photos/seven.png
    python -m pipeline.apply.__main__ --model models/layers/latent/iin --images photos --edit colour:0=1.5
    python -m pipeline.apply.__main__ --model models/layers/latent/iin --images photos --sample residual

`--model` is a folder of a trained map, or the id of its MLflow run. The network itself is read from `--backbone`, and
must be the one that the map was trained on. Into `--out` go applied.parquet, a row an image: its latent, each of its
factors, and of a classifier its decision, before and after the edit; and applied.png, the same for a few of them.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.apply.sheet import applied_sheet
from pipeline.backbone.backbone import Backbone
from pipeline.backbone.cut import Cut, outputs
from pipeline.backbone.kinds import load_backbone
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.drawing.sheet import house_style
from pipeline.entry import command_parser, run
from pipeline.errors import InputError
from pipeline.files import atomic_folder
from pipeline.interpretation.edits import edit, sample, swap
from pipeline.interpretation.iin import Iin, load_iin
from pipeline.prepare.sources.image_folder import SUFFIXES
from pipeline.prepare.sources.source import Decoder
from pipeline.tables.images import to_unit_range
from pipeline.tracking.model import iin_folder

__all__ = ["Applied", "apply_to_images"]

BATCH = 250


@dataclass(frozen=True)
class Applied:
    """Images, what their factors are, and what an edit of them gives.

    Attributes:
        paths: of the images.
        pixels: [n, H, W, 3], as the network gets them.
        latents: z [n, N].
        codes: z̃ = T(z) [n, N].
        edited: the codes after the edit [n, N]; the same where there is none.
        edit: in words; None where there is none.
        outputs: of the untouched network, images in [−1, 1] or logits [n, …].
        outputs_back: of T⁻¹(T(z)).
        outputs_edited: of T⁻¹ of the edited codes.
    """

    paths: list[str]
    pixels: NDArray[np.uint8]
    latents: Tensor
    codes: Tensor
    edited: Tensor
    edit: str | None
    outputs: Tensor
    outputs_back: Tensor
    outputs_edited: Tensor


def main() -> None:
    """Read the command line, apply, and write."""
    parser = command_parser("python -m pipeline.apply.__main__", __doc__)
    parser.add_argument("--model", required=True, metavar="FOLDER_OR_RUN")
    parser.add_argument("--images", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--backbone", type=Path, default=Path("models/backbone"), metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("applied"), metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=0, help="of --sample")
    edits = parser.add_mutually_exclusive_group()
    edits.add_argument("--swap", metavar="FACTOR=IMAGE", help="take a factor from another image")
    edits.add_argument("--edit", metavar="FACTOR:NUMBER=AMOUNT", help="add to one number of a factor, counted from 0")
    edits.add_argument("--sample", metavar="FACTOR", help="draw a factor anew from N(0, 1)")
    arguments = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    iin, backbone = load_iin(iin_folder(arguments.model)), load_backbone(arguments.backbone, device)
    if iin.card["backbone_sha256"] != backbone.sha256:
        raise InputError(
            f"--backbone: {arguments.backbone} holds network {backbone.sha256[:12]}, but {arguments.model} was trained "
            f"on {iin.card['backbone_sha256'][:12]}"
        )
    applied = apply_to_images(iin, backbone, _listed(arguments.images), arguments)
    backbone.require_untouched()
    _write(applied, iin.layout, backbone.class_names, arguments.out)
    worst = float((applied.outputs_back - applied.outputs).abs().max())
    print(
        f"{arguments.out}: {len(applied.paths)} images; largest difference of an output after T and back: {worst:.1e}"
    )


@torch.no_grad()
def apply_to_images(iin: Iin, backbone: Backbone, paths: list[Path], arguments: argparse.Namespace) -> Applied:
    """Factors of the images at `paths`, and the edit that `arguments` names (`swap`, `edit` or `sample`, or none).

    Raises:
        InputError: an image can't be read, or there is no such factor, number or donor.
    """
    origin, flow = iin.card["split"], iin.flow
    split = backbone.cut(iin.card["layer"], origin["reduce"], np.array(origin["kept"], np.int64))
    pixels = _read(paths, origin["image_shape"])
    latents = _encode(split, pixels)
    codes = flow(latents)[0]
    donor = None
    if arguments.swap is not None:
        image = Path(arguments.swap.partition("=")[2])
        donor = flow(_encode(split, _read([image], origin["image_shape"])))[0]
    edited, done = _edited(codes, iin.layout, donor, arguments)
    found, back = (outputs(split, z, pixels) for z in (latents, flow.inverse(codes)))
    after = back if done is None else outputs(split, flow.inverse(edited), pixels)
    return Applied([str(path) for path in paths], pixels, latents, codes, edited, done, found, back, after)


def _edited(
    codes: Tensor, layout: Layout, donor: Tensor | None, arguments: argparse.Namespace
) -> tuple[Tensor, str | None]:
    """The codes after the edit, and in words what it was; None where there is none."""
    if donor is not None:
        name, _, image = arguments.swap.partition("=")
        factor = _factor(name, layout, "--swap")
        return swap(codes, donor.expand_as(codes), layout, factor), f"the {factor} of {Path(image).name}"
    if arguments.sample is not None:
        factor = _factor(arguments.sample, layout, "--sample")
        drawn = sample(codes, layout, factor, draw_seed(arguments.seed, "apply"))
        return drawn, f"the {factor} drawn anew from N(0, 1)"
    if arguments.edit is None:
        return codes, None
    where, _, amount = arguments.edit.partition("=")
    name, _, number = where.partition(":")
    factor = _factor(name, layout, "--edit")
    size = layout.sizes[layout.index(factor)]
    try:
        direction = torch.nn.functional.one_hot(torch.tensor(int(number)), size)
        moved = edit(codes, layout, factor, direction, float(amount))
    except (ValueError, RuntimeError):
        raise InputError(
            f"--edit: found {arguments.edit!r}, expected {factor}:NUMBER=AMOUNT with a number of 0 to {size - 1}"
        ) from None
    return moved, f"{float(amount):+g} on number {number} of the {factor}"


def _factor(name: str, layout: Layout, option: str) -> str:
    if name not in layout.names:
        raise InputError(f"{option}: no factor '{name}', accepted are {', '.join(layout.names)}")
    return name


def _listed(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"--images: {folder} is no folder")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise InputError(f"--images: no images in {folder}; accepted are {', '.join(SUFFIXES)}")
    return paths


def _read(paths: list[Path], shape: list[int]) -> NDArray[np.uint8]:
    """Pixels [n, H, W, 3] of the size that the map was trained on."""
    height, width = shape
    decode = Decoder(height if height == width else None, "RGB")
    images = []
    for path in paths:
        found = decode(path.read_bytes() if path.is_file() else b"", str(path))
        if isinstance(found, str):
            raise InputError(f"{path}: no image that can be read")
        if found.shape[:2] != (height, width):
            raise InputError(f"{path}: {found.shape[1]}x{found.shape[0]} pixels, expected {width}x{height}")
        images.append(found)
    return np.stack(images)


def _encode(split: Cut, pixels: NDArray[np.uint8]) -> Tensor:
    """z [n, N] of images [n, H, W, 3]."""
    starts = range(0, len(pixels), BATCH)
    return torch.cat([split.encode(to_unit_range(pixels[i : i + BATCH]))[0].cpu() for i in starts])


def _write(applied: Applied, layout: Layout, names: list[str] | None, folder: Path) -> None:
    columns: dict[str, Any] = {"path": applied.paths, "latent": list(applied.latents.numpy())}
    for name in layout.names:
        columns[name] = list(applied.codes[:, layout.slice(name)].numpy())
        columns[f"{name}_edited"] = list(applied.edited[:, layout.slice(name)].numpy())
    if applied.outputs.ndim == 2:
        columns["decision"] = applied.outputs.argmax(dim=1).numpy()
        columns["decision_edited"] = applied.outputs_edited.argmax(dim=1).numpy()
        if names is not None:
            for column in ("decision", "decision_edited"):
                columns[f"{column}_name"] = [names[found] for found in columns[column]]
        columns["logits"] = list(applied.outputs.numpy())
        columns["logits_edited"] = list(applied.outputs_edited.numpy())
    with house_style(), atomic_folder(folder) as beside:
        pq.write_table(pa.table(columns), beside / "applied.parquet")
        applied_sheet(
            applied.pixels,
            applied.outputs.numpy(),
            applied.outputs_back.numpy(),
            applied.outputs_edited.numpy(),
            names,
            applied.edit,
        ).save(beside / "applied.png")


if __name__ == "__main__":
    run(main)
