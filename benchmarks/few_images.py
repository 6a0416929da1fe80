"""How T does with few images: the flow, the closed form that it starts from, and the probe on z, by training originals.

    make study NAME=few_images
    dvc get . data/latents/latent --rev few_images --out .runs/few_images
    python benchmarks/few_images.py --latents .runs/few_images --seeds 0 1 2 --picture docs/few_images.png

For each number and seed a part of the training originals is drawn, in the shares of the first concept's classes, and
a tenth as many to validate by, at least two of each class. The default flow is trained on them by the pipeline's own
loop, with the sections `flow` and `train` of the study, and ends as the step that the validation rows chose. All are
measured on the same test rows, 2,000 at most, by the pipeline's linear probes. Folds of one draw move a gap by .005, so
each figure is the mean over several draws of them.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pyarrow as pa
import torch
from few_results import Probed, Result, draw, line, rows_of, show
from numpy.typing import NDArray
from timing import machine

from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.flow_task import FlowTask, flow_setup
from pipeline.held_out import HeldOutRows
from pipeline.params import Params, load_params
from pipeline.scores.probes import gap_resamples, probe_matrix, probe_scores, whole
from pipeline.scores.statistics.score import PROBE_GAP, PROBE_OWN
from pipeline.study import read_study
from pipeline.tables.latents import LATENTS_CARD, Latents, load_latents, shard_name, shards_of
from pipeline.tables.parquet import metadata_of, read_table, write_table
from pipeline.training.checkpoints import State
from pipeline.training.loop import Hooks, train
from pipeline.tuning.estimate import estimate_layout

NUMBERS = (200, 500, 1500, 5000, 20000)
TEST_ORIGINALS = 2000
LEAST = 2  # originals of each class
CPU = torch.device("cpu")


def main() -> None:
    """Train and measure a flow for each number and seed; print a table, and draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=Path, required=True, help="folder of a latents table")
    parser.add_argument("--study", default="few_images", help="whose sections flow and train are taken")
    parser.add_argument("--numbers", type=int, nargs="+", default=NUMBERS, help="of training originals")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of subset, pairs, weights and noise")
    parser.add_argument("--folds", type=int, default=3, help="draws of the probes' folds")
    parser.add_argument("--picture", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    params, results = _params(arguments.study), []
    with tempfile.TemporaryDirectory() as beside:
        tested = Path(beside, "test")
        write_part(arguments.latents, "test", TEST_ORIGINALS, 0, tested)
        test = load_latents(tested, "test")
        for number in sorted(arguments.numbers):
            for seed in arguments.seeds:
                part = Path(beside, f"{number}-{seed}")
                write_part(arguments.latents, "train", number, seed, part)
                write_part(arguments.latents, "val", number // 10, seed, part)
                results.append(measure(params.changed(seed=seed), part, test, arguments.folds))
                print(line(results[-1]), flush=True)
        latent = float(np.mean([_latent_own(test, fold) for fold in range(arguments.folds)]))
    print(f"\n{machine(CPU)}, seeds {' '.join(map(str, arguments.seeds))}, {len(test):,} test rows\n")
    rows = rows_of(results)
    show(rows, latent)
    draw(rows, latent, arguments.picture)


def _params(study: str) -> Params:
    """params.yaml, and what a study changes in it."""
    sections = load_params().model_dump()
    for name, changes in read_study(study).items():
        sections[name] = sections[name] | changes if isinstance(changes, dict) else changes
    return Params.model_validate(sections)


def drawn(classes: NDArray[np.int64], number: int, seed: int) -> NDArray[np.intp]:
    """Sorted row numbers of a part of the originals, in the shares of their classes, and two of each at least.

    Args:
        classes: of each original [n].
        number: how many to draw; all, where there are no more, and more, where two of each class are more.
        seed: of the draw.
    """
    rng = np.random.default_rng(draw_seed(seed, "few_images"))
    place, counts = np.empty(len(classes)), []
    for name in np.unique(classes):
        members = rng.permutation(np.flatnonzero(classes == name))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
        place[members[:LEAST]] = -1
        counts.append(min(LEAST, len(members)))
    return np.sort(np.argsort(place, kind="stable")[: max(number, sum(counts))])


def write_part(latents: Path, split: str, number: int, seed: int, folder: Path) -> None:
    """Write the rows of so many originals of a split, drawn by the first concept's classes, as a table in `folder`."""
    table = load_latents(latents, split)
    originals, first = np.unique(table.original, return_index=True)
    classes = next(iter(table.labels.values()))[first]
    if split == "train" and number > len(originals):
        raise SystemExit(f"--numbers: found {number}, but {latents} has {len(originals)} training originals")
    kept = originals[drawn(classes, number, seed)]
    shards = [read_table(path) for path in shards_of(latents, split)]
    rows = pa.concat_tables([rows for rows, _ in shards])
    rows = rows.filter(pa.array(np.isin(rows["original"].to_numpy(), kept)))
    write_table(folder / shard_name(split, 0), rows, metadata_of(shards[0][1]) | {"shards": 1})
    shutil.copy(latents / LATENTS_CARD, folder)


def measure(params: Params, part: Path, test: Latents, num_folds: int) -> Result:
    """Train a flow on the training and validation rows in `part`, and measure it on the test rows."""
    few = load_latents(part, "train")
    layout = estimate_layout(few, params.flow, params.seed)
    setup, _, _ = flow_setup(params, part, layout)
    states: list[State] = []
    begun = time.process_time()
    task = FlowTask(setup, CPU)
    train(task, params.train, Hooks(checkpoint=states.append))
    seconds = time.process_time() - begun
    best = states[-1]["members"][0]["best"]
    assert best is not None  # a flow's task is `Judged`
    z = torch.from_numpy(test.mean)
    with torch.no_grad():
        code = task.model(z)[0].numpy()
    held_out = HeldOutRows(test, task.closed_form, layout, params.seed, CPU)
    return Result(
        number=len(np.unique(few.original)),
        seed=params.seed,
        flow=probed(code, test, layout, num_folds),
        closed_form=probed(task.closed_form.codes(z).numpy(), test, layout, num_folds),
        step=best["step"],
        gain=held_out.figures(task.model).gain,
        seconds=seconds,
    )


def probed(code: NDArray[np.float32], test: Latents, layout: Layout, num_folds: int) -> Probed:
    """Probe a code [n, N] of the test rows by several draws of folds."""
    targets = test.targets()
    matrices = [probe_matrix(code, targets, layout, groups=test.original, seed=fold) for fold in range(num_folds)]
    scores = [probe_scores(matrix, layout) for matrix in matrices]
    return Probed(
        gap=np.array([score[PROBE_GAP].value for score in scores]),
        resamples=np.stack([gap_resamples(matrix, layout) for matrix in matrices]),
        own=np.array([score[PROBE_OWN].value for score in scores]),
    )


def _latent_own(test: Latents, fold: int) -> float:
    """`probe/latent`: how well the same probes read the concepts from all of z."""
    matrix = probe_matrix(test.mean[:], test.targets(), whole(test.num_dims), groups=test.original, seed=fold)
    return float(matrix.value.mean())


if __name__ == "__main__":
    main()
