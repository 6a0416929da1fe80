"""Held-out pair nats over training seconds: the paper's preset against the default flow, on the same latents.

    python benchmarks/time_to_quality.py run paper --seed 0 --out .runs/quality/paper-0.json
    python benchmarks/time_to_quality.py run default --seed 0 --out .runs/quality/default-0.json
    python benchmarks/time_to_quality.py report .runs/quality/*.json --picture docs/time_to_quality.png

Run them in the project's folder after `dvc repro`: latents, layout and params are those of the study there. The clock
counts training alone, from the first step on; what is held out is measured outside it. It is the CPU time of the
process with one thread: on an idle machine that is the wall clock, and on a shared one it leaves out what others use.
The paper's preset (`studies/paper_preset.yaml`) runs until 10 minutes after its best value, 60 minutes at
most; the default runs the schedule of params.yaml to its end. Both see the same pairs, rho and layout.
"""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib.pyplot as plt
import torch
from clocked import ClockedTask

from pipeline.files import write_json
from pipeline.flow_task import FlowTask, flow_setup
from pipeline.params import Params, load_params
from pipeline.places import Places
from pipeline.study import read_study
from pipeline.training.loop import Hooks, train
from pipeline.tuning.flow_file import read_flow_file

PATIENCE, LIMIT = 600.0, 3600.0  # training seconds of the paper's preset after its best value, and in all
SHARE, LEAST = 20, 45.0  # the default may take 1/20 of the preset's time, or 45 s
COLOURS = {"paper": "#c9572f", "default": "#2f66b3"}


def main() -> None:
    """Train once, or draw and judge what several trainings left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("run")
    one.add_argument("preset", choices=COLOURS)
    one.add_argument("--seed", type=int, default=0, help="of weights, pairs and noise")
    one.add_argument("--layer", default="latent")
    one.add_argument("--out", type=Path, required=True)
    report = commands.add_parser("report")
    report.add_argument("runs", type=Path, nargs="+")
    report.add_argument("--picture", type=Path, required=True)
    arguments = parser.parse_args()
    if arguments.command == "run":
        torch.set_num_threads(1)
        run(arguments.preset, arguments.seed, arguments.layer, arguments.out)
    else:
        show([json.loads(path.read_text()) for path in arguments.runs], arguments.picture)


def run(preset: str, seed: int, layer: str, out: Path) -> None:
    """Train one flow and write its curve after each point, so that a run that was ended is not lost."""
    params, places = _params(preset, seed), Places()
    candidate = read_flow_file(places.flow_file(layer)).candidate
    if preset != "paper":
        params = candidate.applied(params)
    setup, _, _ = flow_setup(params, places.latents(layer), candidate.layout)
    config = params.train.changed(validate_every=100 if preset == "paper" else 50)
    if preset == "paper":
        config = config.changed(steps=10**9)  # its end is that of the clock
    task = ClockedTask(FlowTask(setup, torch.device("cpu")))
    curve: list[dict[str, float]] = []

    def log(entry: dict[str, float]) -> None:
        if "val/pair_nats" not in entry:
            return
        curve.append({"step": entry["step"], "seconds": task.seconds, "pair_nats": entry["val/pair_nats"]})
        write_json(out, {"preset": preset, "seed": seed, "flow": asdict(setup.shape), "curve": curve})
        print("{step} steps, {seconds:.0f} s, {pair_nats:.2f} nats a held-out pair".format(**curve[-1]), flush=True)
        if preset == "paper" and _over(curve):
            raise _OverError

    try:
        train(task, config.changed(checkpoint_every=config.steps), Hooks(log=log))
    except _OverError:
        return


class _OverError(Exception):
    """The paper's preset has had its time."""


def _params(preset: str, seed: int) -> Params:
    """The study's params with another seed, and for the paper's preset what its study changes."""
    sections = load_params().model_dump()
    for name, changes in (read_study("paper_preset") if preset == "paper" else {}).items():
        sections[name] |= changes
    return Params.model_validate(sections | {"seed": seed})


def _over(curve: Sequence[dict[str, float]]) -> bool:
    best = min(curve, key=lambda point: point["pair_nats"])
    return curve[-1]["seconds"] >= min(LIMIT, best["seconds"] + PATIENCE)


def show(runs: list[dict[str, Any]], picture: Path) -> None:
    """Print when each run of the paper's preset was best and when the default of that seed passed it; draw all."""
    of = {(run["preset"], run["seed"]): run["curve"] for run in runs}
    seeds = sorted(
        {seed for preset, seed in of if preset == "paper"} & {seed for preset, seed in of if preset == "default"}
    )
    print("| seed | paper: best nats | reached after | default passes it after | allowed | default's last |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: |")
    bests, passes = [], []
    for seed in seeds:
        best = min(of["paper", seed], key=lambda point: point["pair_nats"])
        passed = next((p["seconds"] for p in of["default", seed] if p["pair_nats"] < best["pair_nats"]), float("inf"))
        bests.append(best["seconds"])
        passes.append(passed)
        print(
            f"| {seed} | {best['pair_nats']:.2f} | {best['seconds']:.0f} s | {passed:.0f} s | "
            f"{max(best['seconds'] / SHARE, LEAST):.0f} s | {of['default', seed][-1]['pair_nats']:.2f} |"
        )
    allowed = max(median(bests) / SHARE, LEAST)
    print(f"| median | | {median(bests):.0f} s | {median(passes):.0f} s | {allowed:.0f} s | |")
    _draw(of, picture)


def _draw(of: dict[tuple[str, int], list[dict[str, float]]], picture: Path) -> None:
    figure, axes = plt.subplots(figsize=(9, 5.2), layout="constrained")
    for (preset, seed), curve in sorted(of.items()):
        points = [(point["seconds"], point["pair_nats"]) for point in curve if point["seconds"] > 0]
        best = min(points, key=lambda point: point[1])
        name = {"paper": "the paper's preset, 26 million weights", "default": "the default"}[preset]
        axes.plot(
            *zip(*points, strict=True), color=COLOURS[preset], lw=1.4, alpha=0.85, label=name if seed == 0 else None
        )
        axes.plot(*best, "o", color=COLOURS[preset], ms=6)
        if preset == "paper":
            axes.axhline(best[1], color=COLOURS[preset], lw=0.7, ls=":")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xticks([1, 2, 5, 10, 20, 45, 100, 200, 500, 1000, 2000, 3600])
    axes.minorticks_off()
    axes.set_ylim(top=110)
    axes.set(xlabel="seconds of training, one CPU core", ylabel="nats a held-out pair (less is better)")
    axes.set_title(
        "Time to quality on the default study's latents, three seeds; a dot is a run's best value", loc="left"
    )
    axes.grid(color="#e6e8ec", lw=0.8)
    axes.legend(frameon=False)
    figure.savefig(picture, dpi=130)


if __name__ == "__main__":
    main()
