"""One flow by several seeds, trained as a pack: which one is kept, and how all of them lie on disk."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.basis.draws import draw_seed
from pipeline.flow import Flow
from pipeline.flow_pack import FlowPack, tasks_of_seeds
from pipeline.flow_task import FlowTask, FlowTaskConfig, restore_flow
from pipeline.iin.iin import save_iin
from pipeline.iin.values import fit_values
from pipeline.pairing.moments import latent_extent
from pipeline.params import MachineParams, TrainParams
from pipeline.scores.statistics.intervals import behind
from pipeline.tables.axes import axes_file
from pipeline.tables.latents import Latents, latents_sha256
from pipeline.training.best import Merit
from pipeline.training.compiling import COMPILE_FROM
from pipeline.training.distributed import Result, start_pack, start_training

__all__ = ["TrainedFlows", "chosen", "flow_card", "save_flows", "start_flows"]


@dataclass(frozen=True)
class TrainedFlows:
    """Flows that differ in their seed alone.

    Attributes:
        setup: what the one of the study's own seed learned from; the others learned from the same.
        of_seed: what is left of each, by seed; without those that diverged.
        chosen: seed of the one that is kept.
    """

    setup: FlowTaskConfig
    of_seed: Mapping[int, Result]
    chosen: int


@contextmanager
def start_flows(
    setup: FlowTaskConfig, train: TrainParams, machine: MachineParams, run_folder: Path
) -> Iterator[Callable[[], TrainedFlows]]:
    """Train a flow, or as many as `train.seeds` says, as one pack: of the study's seed and of those that follow it.

    Gives what waits for the end. The curves of the first are those that are followed meanwhile. A flow that diverges is
    left out, and a line says so.

    Args:
        setup: what the flow of the study's seed learns from.
        train: section `train`.
        machine: section `machine`.
        run_folder: of the stage.

    Raises:
        InputError: as of `start_training`; or all flows diverged.
    """
    if train.seeds == 1:
        with start_training(FlowTask, setup, train, machine, run_folder, compile_from=COMPILE_FROM) as finish:
            yield lambda: TrainedFlows(setup, {setup.seed: finish()}, setup.seed)
        return
    configs = tuple(replace(setup, seed=setup.seed + number) for number in range(train.seeds))
    with start_pack(tasks_of_seeds, configs, FlowPack, train, machine, run_folder) as finish_all:
        yield lambda: _kept(setup, dict(zip((config.seed for config in configs), finish_all(), strict=True)))


def _kept(setup: FlowTaskConfig, found: Mapping[int, Result | str]) -> TrainedFlows:
    """Those that are left, and which of them is kept, both said in a line."""
    for seed, failure in found.items():
        if isinstance(failure, str):
            print(f"seed {seed} is left out: {failure}", flush=True)
    of_seed = {seed: result for seed, result in found.items() if isinstance(result, Result)}
    kept = chosen({seed: result.merit for seed, result in of_seed.items() if result.merit})
    print(f"seed {kept} of {', '.join(map(str, of_seed))} is kept, by the validation rows", flush=True)
    return TrainedFlows(setup, of_seed, kept)


def chosen(merits: Mapping[int, Merit]) -> int:
    """The seed to keep, as a sweep chooses among its trials: of those level with the highest gap that of fewest nats.

    Args:
        merits: by seed, of looks at the same rows with the same resamples.
    """
    ends = behind([of.score for of in merits.values()], [of.resamples.tolist() for of in merits.values()])
    level = [seed for seed, (low, _) in zip(merits, ends, strict=True) if low <= 0]
    return min(level, key=lambda seed: (merits[seed].cost, seed))


def save_flows(folder: Path, trained: TrainedFlows, card: dict[str, Any], run_folder: Path, train: Latents) -> None:
    """Write the chosen flow as the map of a layer and, of several seeds, all of them as whole maps in it.

    Args:
        folder: of the layer's map.
        trained: from `start_flows`.
        card: what a reader needs to know of the chosen one besides its seed and step.
        run_folder: where the maps of the seeds are made.
        train: the training rows.
    """
    extent, axes = latent_extent(train), axes_file(Path(trained.setup.latents))
    several = len(trained.of_seed) > 1 or "seeds" in card
    beside = run_folder / "seeds"
    shutil.rmtree(beside, ignore_errors=True)

    def save(place: Path, seed: int, own: dict[str, Any], seeds: Path | None = None) -> None:
        setup, result = replace(trained.setup, seed=seed), trained.of_seed[seed]
        flow, own = restore_flow(setup.shape, result.model), own | {"best_step": result.step}
        values = fit_values(train, setup.layout, _codes_of(flow), draw_seed(trained.setup.seed, "train/values"))
        curves = result.metrics
        save_iin(place, flow, setup.layout, own, extent, metrics=curves, axes=axes, values=values, seeds=seeds)

    for seed in trained.of_seed if several else ():
        save(beside / str(seed), seed, {key: value for key, value in card.items() if key != "seeds"} | {"seed": seed})
    own = card | ({"chosen_seed": trained.chosen} if several else {})
    save(folder, trained.chosen, own, beside if several else None)


def _codes_of(flow: Flow) -> Callable[[Tensor], Tensor]:
    """T, as a trained map applies it."""
    return torch.no_grad()(lambda latents: flow.eval()(latents)[0])


def flow_card(setup: FlowTaskConfig, params: TrainParams, origin: dict[str, Any], run: Path) -> dict[str, Any]:
    """What a reader of a trained flow needs to know; no time, host or path.

    Of a flow that is chosen among several seeds it says of how many, under `seeds`.

    Args:
        setup: what the flow learns from.
        params: section `train`.
        origin: where the latents come from, of `flow_setup`.
        run: the folder of the run, whose name ends in its fingerprint.
    """
    return {
        "layout": setup.layout.as_dict(),
        "flow": asdict(setup.shape),
        "layer": origin["layer"],
        "rho": setup.flow.rho,
        "seed": setup.seed,
        **({"seeds": params.seeds} if params.seeds > 1 else {}),
        "train": params.model_dump(),
        "backbone_sha256": origin["backbone_sha256"],
        "data_sha256": latents_sha256(Path(setup.latents), "train"),
        "cut": origin["cut"],
        "fingerprint": run.name.rpartition("-")[2],
    }
