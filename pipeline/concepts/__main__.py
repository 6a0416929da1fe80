"""Concepts that nobody named, offered as candidates: `python -m pipeline.concepts discover`.

    python -m pipeline.concepts discover
    python -m pipeline.concepts discover --layer features --clusters 10 --out discovered/features

The trained map's residual, which of a study without concepts is the whole code, is looked through for clusters and for
directions along which the output changes most. Into `--out` go candidates.png, a row of test images for each class of
each candidate, and candidates.parquet, the class of each image. `data.discovered` in params.yaml names a candidate,
which is then a concept of the next run like any other; its scores say whether it was one.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import RESIDUAL
from pipeline.concepts.candidates import FITS, Candidate, clusters, direction
from pipeline.concepts.sheet import candidate_sheet, said
from pipeline.drawing.sheet import house_style
from pipeline.entry import command_parser, require_results_alone, run
from pipeline.errors import InputError
from pipeline.files import atomic_folder
from pipeline.interpret.directions import directions
from pipeline.interpret.subject import Subject, subject_of
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.params import Params, load_params
from pipeline.places import Places
from pipeline.prepare.discovered import CandidateTable
from pipeline.tables.images import load_images
from pipeline.tables.latents import Latents, load_latents
from pipeline.tables.parquet import SPLITS

TABLE, SHEET = "candidates.parquet", "candidates.png"
ROWS = 10_000  # training rows that candidates are found from, at most


def main() -> None:
    """Read the command line, look for candidates, and write."""
    params, places = load_params(), Places()
    arguments = _arguments(params)
    require_results_alone(arguments.out, (TABLE, SHEET))
    _require_unnamed(params, arguments.out / TABLE)
    interpretation = Interpretation.open(places.models.folder, arguments.layer)
    sha256 = interpretation.backbone.sha256
    latents = {split: load_latents(places.latents(arguments.layer), split, sha256) for split in SPLITS}
    rows = Rows.of(interpretation, latents["test"], load_images(places.images, "test"))
    found = _candidates(subject_of(rows, params.seed), latents["train"], arguments)
    labels = {split: _labels(interpretation, found, of) for split, of in latents.items()}
    ids = np.concatenate([latents[split].id for split in SPLITS])
    order = np.argsort(ids)
    whole = {one.name: np.concatenate([labels[split][one.name] for split in SPLITS])[order] for one in found}
    names = {one.name: one.names for one in found}
    part = "the residual" if rows.layout.concepts else "the code"
    with house_style(), atomic_folder(arguments.out) as beside:
        images = CandidateTable.images_of(params.data, params.seed)
        CandidateTable(ids[order], whole, names, images).write(beside / TABLE)
        candidate_sheet(found, labels["test"], rows.images.pixels, part, params.seed).save(beside / SHEET)
    for one in found:
        print(f"{one.name}: {said(one)}")
    surest = max(found, key=lambda one: one.agreement)
    print(
        f"{arguments.out / SHEET} shows them; to make one a concept of the next run, have in params.yaml\n"
        "data:\n"
        f"  discovered: {{table: {arguments.out / TABLE}, named: {{NAME: {surest.name}}}}}\n"
        f"  concepts: [{', '.join([*params.data.own_concepts, 'NAME'])}]"
        + ("\n  sketches: {}" if params.data.sketches else "")
    )


def _arguments(params: Params) -> argparse.Namespace:
    parser = command_parser("python -m pipeline.concepts", __doc__)
    parser.add_argument("command", choices=["discover"])
    parser.add_argument("--layer", default=params.layers[0], help="one of `layers` in params.yaml; the first")
    parser.add_argument(
        "--clusters", type=int, nargs="*", default=[2, 5, 10], metavar="K", help="how many; of each a candidate"
    )
    parser.add_argument("--directions", type=int, default=3, metavar="D", help="how many")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="discovered/LAYER")
    arguments = parser.parse_args()
    if arguments.layer not in params.layers:
        raise InputError(f"--layer: found {arguments.layer!r}, accepted are {', '.join(params.layers)}")
    if wrong := [number for number in arguments.clusters if number < 2]:
        raise InputError(f"--clusters: found {wrong[0]}, accepted are numbers from 2")
    if arguments.directions < 0 or not (arguments.clusters or arguments.directions):
        raise InputError(
            f"--directions: found {arguments.directions}, accepted are numbers from 1, or 0 with --clusters"
        )
    arguments.out = arguments.out or Path("discovered") / arguments.layer
    return arguments


def _require_unnamed(params: Params, table: Path) -> None:
    """Refuse to put other candidates in the place of those that this study has concepts from."""
    named = params.data.discovered.table
    if named is not None and Path(named).resolve() == table.resolve():
        raise InputError(
            f"--out: {table} is the table of this study's own concepts (data.discovered.table); name another folder"
        )


def _candidates(subject: Subject, train: Latents, arguments: argparse.Namespace) -> list[Candidate]:
    """Clusters, then directions."""
    interpretation, layout = subject.rows.interpretation, subject.layout
    dims = layout.slice(RESIDUAL)
    rng = np.random.default_rng(draw_seed(subject.seed, "concepts/rows"))
    chosen = np.sort(rng.permutation(len(train))[:ROWS])
    part = interpretation.transform(torch.from_numpy(train.mean[chosen]))[:, dims].numpy()
    held_out = subject.rows.codes[:, dims].numpy()
    most = len(np.unique(train.original[chosen])) // 4  # a fit anew has half of them, and a cluster two at least
    if beyond := [number for number in arguments.clusters if number > most]:
        raise InputError(f"--clusters: found {beyond[0]}, accepted are up to {most} for so few training originals")
    found = [
        clusters(part, train.original[chosen], held_out, number, draw_seed(subject.seed, "concepts/clusters", number))
        for number in arguments.clusters
    ]
    seeds = [subject.seed, *(draw_seed(subject.seed, "concepts/directions", fit) for fit in range(1, FITS))]
    vectors = [directions(replace(subject, seed=seed), arguments.directions)[RESIDUAL].numpy() for seed in seeds]
    return found + [
        direction(part, held_out, [each[number] for each in vectors], number + 1) for number in range(len(vectors[0]))
    ]


def _labels(
    interpretation: Interpretation, candidates: list[Candidate], latents: Latents
) -> dict[str, NDArray[np.int64]]:
    """Classes of all rows of a split, a block at a time."""
    dims = interpretation.layout.slice(RESIDUAL)
    parts: dict[str, list[NDArray[np.int64]]] = {one.name: [] for one in candidates}
    for block in latents.blocks():
        part = interpretation.transform(torch.from_numpy(latents.mean[block]))[:, dims].numpy()
        for one in candidates:
            parts[one.name].append(one.label(part))
    return {name: np.concatenate(blocks) for name, blocks in parts.items()}


if __name__ == "__main__":
    run(main)
