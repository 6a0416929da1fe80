"""From params to the training of a flow: its shape, what it learns from, and the card that its artifact carries."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.concepts import pair_sampler
from pipeline.config import FlowParams, Params, TrainParams
from pipeline.data import latents_sha256, load_latents
from pipeline.draws import draw_seed
from pipeline.flow import Flow, FlowConfig
from pipeline.layout import Layout
from pipeline.training.flow_task import FlowTaskConfig

__all__ = ["flow_card", "flow_config", "flow_setup", "restore_flow"]


def flow_config(params: FlowParams, num_dims: int, seed: int, num_blocks: int | None = None) -> FlowConfig:
    """Shape of T for latents of `num_dims` numbers; `num_blocks` is what a sweep chose instead of the params' own."""
    return FlowConfig(
        num_dims=num_dims,
        num_blocks=num_blocks or params.num_blocks,
        width=params.width,
        depth=params.depth,
        conditioner=params.conditioner,
        activation=params.activation,
        mixing=params.mixing,
        log_scale_bound=params.log_scale_bound,
        zero_init=params.zero_init,
        seed=draw_seed(seed, "flow/weights"),
    )


def flow_setup(params: Params, latents: Path, num_blocks: int, layout: Layout) -> tuple[FlowTaskConfig, dict[str, Any]]:
    """What a worker needs to train the chosen flow, and where its latents come from, as the card says it."""
    table = load_latents(latents, "train")
    if alone := pair_sampler(table, params.seed, "train/pairs").alone():
        print(f"training {alone}", flush=True)
    setup = FlowTaskConfig(
        latents=str(latents.resolve()),
        flow=flow_config(params.flow, table.num_dims, params.seed, num_blocks),
        layout=layout,
        rho=params.flow.rho,
        batch_size=params.train.batch_size,
        seed=params.seed,
    )
    split = {"reduce": table.reduce, "kept": table.kept.tolist(), "image_shape": list(table.image_shape)}
    return setup, {"backbone_sha256": table.backbone_sha256, "layer": table.layer, "split": split}


def flow_card(setup: FlowTaskConfig, params: TrainParams, origin: dict[str, Any], run: Path) -> dict[str, Any]:
    """What a reader of a trained flow needs to know; no time, host or path.

    Args:
        setup: what the flow learns from.
        params: section `train`.
        origin: where the latents come from, of `flow_setup`.
        run: the folder of the run, whose name ends in its fingerprint.
    """
    return {
        "layout": setup.layout.as_dict(),
        "flow": asdict(setup.flow),
        "layer": origin["layer"],
        "rho": setup.rho,
        "seed": setup.seed,
        "train": params.model_dump(),
        "backbone_sha256": origin["backbone_sha256"],
        "data_sha256": latents_sha256(Path(setup.latents), "train"),
        "split": origin["split"],
        "fingerprint": run.name.rpartition("-")[2],
    }


def restore_flow(config: FlowConfig, state: dict[str, Tensor]) -> Flow:
    """A flow with trained weights, on the CPU."""
    flow = Flow(config)
    flow.load_state_dict(state)
    return flow
