"""A sweep small enough for a second, by Ray Tune or in this process; or by a driver of its own, which can be killed.

python -m tuning.small_sweep FOLDER LATENTS
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from pipeline.basis.layout import Layout
from pipeline.params import BackboneParams, FlowParams, Params, TrainParams, TuneParams
from pipeline.tuning.course import Course
from pipeline.tuning.flow_file import FlowChoice, write_flow_file
from pipeline.tuning.ray_packs import Packs
from pipeline.tuning.search import sweep
from pipeline.tuning.trial import TrialSetup, TrialSetups, run_pack

CPU = torch.device("cpu")
REAL = run_pack  # whatever stands in its place in this module
ESTIMATE = Layout(("residual", "digit", "colour"), (2, 2, 2))
OF_EIGHT = Layout(ESTIMATE.names, (4, 2, 2))


def study(**tune: Any) -> Params:
    return Params(
        seed=5,
        backbone=BackboneParams(num_dims=8),
        flow=FlowParams(num_blocks=2, width=8, depth=1, rho=0.9),
        train=TrainParams(batch_size=32, learning_rate=3e-3, log_every=5, validate_every=10),
        tune=TuneParams(trials=3, steps=10, concurrent=2, num_blocks=(1, 2), scale=(0.5, 1.0)).changed(**tune),
    )


def interrupted_after(
    packs: int, trained: list[tuple[int, int | None]] | None = None
) -> Callable[[list[TrialSetup], torch.device], tuple[dict[int, str], list[str]]]:
    """In place of `run_pack`: Ctrl-C comes in the pack after so many; `trained` notes number and end of each flow."""
    numbers = iter(range(packs))

    def run(setups: list[TrialSetup], device: torch.device) -> tuple[dict[int, str], list[str]]:
        if next(numbers, None) is None:
            raise KeyboardInterrupt
        if trained is not None:
            trained.extend((setup.number, setup.until) for setup in setups)
        return REAL(setups, device)

    return run


def swept(folder: Path, latents: Path, params: Params, estimate: Layout = OF_EIGHT) -> tuple[bytes, FlowChoice, Path]:
    """flow.yaml's bytes, the choice, and the folder of the sweep."""
    run_folder = folder / "tune-latent-0123"
    choice = sweep(params, latents, estimate, run_folder, run_folder / "trials")
    write_flow_file(folder / "flow.yaml", choice)
    return (folder / "flow.yaml").read_bytes(), choice, run_folder


def _one_after_another(course: Course, rounds: Iterator[Sequence[TrialSetup]], setups: TrialSetups, *_: object) -> None:
    handed_out = Packs(course, rounds, "cpu", setups.params.tune.concurrent)
    while pack := handed_out.next("one"):
        handed_out.done("one", *run_pack(pack, CPU))


def leave_ray_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sweep in this process: what Ray Tune would run of each pack, one after another."""
    torch.set_num_threads(1)
    monkeypatch.setattr("pipeline.tuning.search.start_ray", lambda _machine: nullcontext(SimpleNamespace(device="cpu")))
    monkeypatch.setattr("pipeline.tuning.search.run_by_ray", _one_after_another)


CLIMBING = study(
    trials=6,
    steps=12,
    generation=3,
    search="tpe",
    sizes="simplex",
    rho=(0.5,),
    num_blocks=(2,),
    early_stopping="halving",
    least=0.3,
)

if __name__ == "__main__":
    swept(Path(sys.argv[1]), Path(sys.argv[2]), CLIMBING, ESTIMATE)
