"""The flow's pair loss over stored latents, as a task of the engine, and the way from params to it."""

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import precision
from pipeline.basis.counter import Counter
from pipeline.basis.draws import draw_seed
from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import ClosedForm, Flow, FlowConfig, closed_form, pair_nats, tied_rho
from pipeline.held_out import HeldOutRows, why_no_probe
from pipeline.node_copy import how_read, node_latents
from pipeline.pairing.moments import node_moments
from pipeline.pairing.sampler import pair_sampler
from pipeline.params import FlowParams, MachineParams, Params, Precision
from pipeline.tables.latents import Latents, Vectors
from pipeline.tables.stored import StoredRows
from pipeline.training.best import Merit

__all__ = ["FlowData", "FlowTask", "FlowTaskConfig", "Rows", "flow_setup", "restore_flow"]

VALIDATION_PAIRS = 2048
ROUNDING = 1e-3  # nats by which the start may seem worse than itself, as one is computed in float32


@dataclass(frozen=True, kw_only=True)
class FlowTaskConfig:
    """What a flow learns from.

    Attributes:
        latents: folder of the latents table, absolute.
        flow: section `flow`: shape of T, and rho.
        layout: its factors; the concepts in the order of the table.
        batch_size: pairs a step, over all workers.
        seed: the study's.
        input_noise: of section `train`.
        patience: of section `train`.
        precision: of section `train`.
        machine: how much of a node's memory latents may fill, and where its copy of them lies.
    """

    latents: str
    flow: FlowParams
    layout: Layout
    batch_size: int
    seed: int
    input_noise: float = 0.0
    patience: int | None = None
    precision: Precision = "highest"
    machine: MachineParams = field(default_factory=MachineParams)

    @classmethod
    def of(cls, params: Params, latents: Path, layout: Layout) -> "FlowTaskConfig":
        """What a flow of `layout` learns from, as sections `flow` and `train` say."""
        return cls(
            latents=str(latents.resolve()),
            flow=params.flow,
            layout=layout,
            batch_size=params.train.batch_size,
            seed=params.seed,
            input_noise=params.train.input_noise,
            patience=params.train.patience,
            precision=params.train.precision,
            machine=params.machine,
        )

    @property
    def shape(self) -> FlowConfig:
        """All that T is made from."""
        return FlowConfig.of(self.flow, self.layout.num_dims, draw_seed(self.seed, "flow/weights"))


class FlowData:
    """Training and validation rows on a device, and all of a task that does not depend on the flow.

    Args:
        config: of the flow, or of one of those that share the table and the seed.
        device: of the flow.

    Raises:
        InputError: no such table.
    """

    def __init__(self, config: FlowTaskConfig, device: torch.device) -> None:
        self.train, self.val = node_latents(Path(config.latents), config.machine)
        self.moments = node_moments(self.train)
        self._held_out: HeldOutRows | None = None
        self.train_rows, self.val_rows = (
            Rows(config, latents, split, device) for latents, split in ((self.train, "train"), (self.val, "val"))
        )

    def of_seed(self, config: FlowTaskConfig, device: torch.device) -> "FlowData":
        """The same table for a flow of another seed, whose pairs and noise to train on are its own.

        Validation rows, their folds and draws stay what they are, so that the flows can be compared.
        """
        other = copy.copy(self)
        other.train_rows = Rows(config, self.train, "train", device)
        return other

    def held_out(self, form: ClosedForm, config: FlowTaskConfig, device: torch.device) -> HeldOutRows:
        """What the validation rows say of a flow."""
        if self._held_out is None:
            self._held_out = HeldOutRows(self.val, form, config.layout, config.seed, device)
            return self._held_out
        return self._held_out.of(form, config.layout)


class FlowTask:
    """Mean pair loss, in nats a pair, of pairs and noise that are drawn anew at each step.

    Args:
        config: what the flow learns from.
        device: of the flow.
        data: of another task of the same table and seed, where there is one; or of its table, `of_seed` of this one.

    Raises:
        InputError: the latents have another number of dimensions or other concepts than the layout.
    """

    def __init__(self, config: FlowTaskConfig, device: torch.device, data: FlowData | None = None) -> None:
        self.config, self.device, self.patience = config, device, config.patience
        self.data = data or FlowData(config, device)
        _require_fit(config, self.data.train)
        precision.begin(config.precision, device)
        self.model = Flow(config.shape).to(device)
        self.closed_form = closed_form(self.data.moments, config.layout)
        self.colouring = self.closed_form.inverse.float().to(device)
        self._input_noise = Counter(config.seed, "train/input_noise")
        self.train_rows, self.val_rows = (
            rows.tied(config.flow.rho) for rows in (self.data.train_rows, self.data.val_rows)
        )
        self._held_out = self.data.held_out(self.closed_form, config, device)

    @property
    def on_device(self) -> bool:
        """Whether all that a step reads lies on the device; torch's exponential of a matrix reads its norm back."""
        return self.config.flow.mixing != "learned_rotation" and self.train_rows.on_device

    def initialise(self) -> None:
        """The closed form of all training rows; of a random start ActNorm from both members of the pairs of step 0."""
        if self.config.flow.start == "closed_form":
            self.model.start_as(self.closed_form)
        else:
            self.model.initialise(self.train_rows.pairs(0, self.config.batch_size, slice(None))[0])

    def loss(self, model: nn.Module, step: int | Tensor, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean nats of a part of the step's pairs."""
        z, rho = self.train_rows.pairs(step, self.config.batch_size, part)
        z = self._noisy(z, step, part)
        with precision.of_conditioners(self.config.precision, self.device):
            mapped = model(z)  # both members in one pass: larger products
        loss = self._mean_nats(mapped, rho)
        return loss, {"pair_nats": loss}

    def validate(self) -> dict[str, float]:
        """The figures of `look`."""
        return self.look()[0]

    @precision.in_float32()
    def look(self) -> tuple[dict[str, float], Merit]:
        """Mean nats of 2,048 held-out pairs, and the same as bits a dimension, L / (2 N ln 2); gap, where rows can be
        probed, and gain of `Held`.

        A step may be chosen where its gain over the closed form is not surely below 0.
        """
        z, rho = self.val_rows.pairs(0, VALIDATION_PAIRS, slice(None))
        nats = self._mean_nats(self.model(z), rho).item()
        held = self._held_out.figures(self.model)
        bits = nats / (2 * self.config.layout.num_dims * math.log(2))
        margin = held.gain + 1.96 * held.gain_error + ROUNDING
        merit = Merit(held.gap, torch.from_numpy(held.gap_resamples), nats, margin)
        gap = {"probe_gap": held.gap} if self._held_out.can_be_probed else {}
        return {"pair_nats": nats, "bits_per_dim": bits, **gap, "gain": held.gain}, merit

    def white_noise(self, step: int | Tensor, part: slice) -> Tensor:
        """Input noise of both members [2 P, N], while the latents are white."""
        row = members(self.config.batch_size, part, self.device)
        return self.config.input_noise * self._input_noise.normals(step, row, self.config.layout.num_dims)

    def _noisy(self, z: Tensor, step: int | Tensor, part: slice) -> Tensor:
        """Latents of both members [2 P, N] with noise that is equally strong in each direction once they are white."""
        if not self.config.input_noise:
            return z
        return z + self.white_noise(step, part) @ self.colouring

    def _mean_nats(self, mapped: tuple[Tensor, Tensor], rho: Tensor) -> Tensor:
        code, log_abs_det = mapped
        (code_a, code_b), (log_abs_det_a, log_abs_det_b) = code.chunk(2), log_abs_det.chunk(2)
        return pair_nats(code_a, code_b, log_abs_det_a, log_abs_det_b, self.config.layout, rho).mean()


class Rows:
    """One split, and its draws: on the device or, where it is not to hold all of it, read at each step."""

    def __init__(self, config: FlowTaskConfig, latents: Latents, split: str, device: torch.device) -> None:
        self.mean, self.scale = placed(latents, device)
        self.num_factors, self.rho, self._device = config.layout.num_factors, config.flow.rho, device
        # rows that are read on the host are chosen there, by the same whole numbers, so that no step waits for a GPU
        self._chooses = device if self.on_device else torch.device("cpu")
        self.sampler = pair_sampler(latents, config.seed, f"{split}/pairs").to(self._chooses)
        self.noise = Counter(config.seed, f"{split}/noise")

    @property
    def on_device(self) -> bool:
        """Whether all rows lie on the device."""
        return isinstance(self.mean, Tensor)

    def tied(self, rho: float) -> "Rows":
        """The same rows, with another correlation of what pairs share."""
        other = copy.copy(self)
        other.rho = rho
        return other

    def pairs(self, step: int | Tensor, num_pairs: int, part: slice) -> tuple[Tensor, Tensor]:
        """Latents z = mean + scale · ε of both members [2 P, N], all a then all b, and r of each factor [P, K + 1]."""
        a, b, concept, distance = self.sampler.tensors(step, torch.arange(num_pairs, device=self._chooses)[part])
        rows = torch.cat((a, b))
        noise = self.noise.normals(step, members(num_pairs, part, self._device), self.mean.shape[1])
        z = self._of(self.mean, rows) + self._of(self.scale, rows) * noise
        concept, distance = concept.to(self._device), distance.to(self._device)
        return z, tied_rho(concept, distance, self.num_factors, self.rho)

    def _of(self, vectors: Tensor | Vectors, rows: Tensor) -> Tensor:
        """Vectors of rows of these numbers [m, N] on the device, or [1, N] where all rows have the same."""
        if isinstance(vectors, Tensor):
            return vectors if len(vectors) == 1 else vectors[rows]
        read = torch.from_numpy(vectors[rows.numpy()])
        return read.pin_memory().to(self._device, non_blocking=True) if self._device.type == "cuda" else read


def placed(latents: Latents, device: torch.device) -> tuple[Tensor | Vectors, Tensor | Vectors]:
    """Means and scales of all rows on the device; as they are where they are stored, or more than half of a GPU."""
    mean, scale = latents.mean, latents.scale
    if isinstance(mean, StoredRows):
        return mean, torch.from_numpy(scale).to(device) if isinstance(scale, np.ndarray) else scale
    assert isinstance(scale, np.ndarray)
    if device.type == "cuda" and mean.nbytes + scale.nbytes > torch.cuda.mem_get_info(device)[1] / 2:
        return mean, torch.from_numpy(scale).to(device) if len(scale) == 1 else scale
    return torch.from_numpy(mean).to(device), torch.from_numpy(scale).to(device)


def members(num_pairs: int, part: slice, device: torch.device) -> Tensor:
    """Numbers of both members of a part of a step's pairs [2 P], all a then all b, which their noise goes by."""
    return torch.arange(2 * num_pairs, device=device).view(2, num_pairs)[:, part].flatten()


def _require_fit(config: FlowTaskConfig, latents: Latents) -> None:
    layout, concepts = config.layout, tuple(latents.labels)
    if (concepts, latents.num_dims) != (layout.concepts, layout.num_dims):
        raise InputError(
            f"{config.latents}: concepts {', '.join(concepts)} and {latents.num_dims} dimensions, but the flow has "
            f"{', '.join(layout.concepts)} and {layout.num_dims}, in factors of {list(layout.sizes)}"
        )


def flow_setup(params: Params, latents: Path, layout: Layout) -> tuple[FlowTaskConfig, dict[str, Any], Latents]:
    """What a worker needs to train a flow, where its latents come from, as the card says it, and the training rows.

    As long as these are kept, so is this node's copy of them, which its workers then need not make.
    """
    train, val = node_latents(latents, params.machine)
    print(how_read(train, params.machine), flush=True)
    if alone := pair_sampler(train, params.seed, "train/pairs").alone():
        print(f"training {alone}", flush=True)
    if reason := why_no_probe(val, params.seed):
        print(f"validation rows: {reason}; so the best step is that of the fewest held-out nats alone", flush=True)
    setup = FlowTaskConfig.of(params, latents, layout)
    return setup, {"backbone_sha256": train.backbone_sha256, "layer": train.layer, "cut": train.cut}, train


def restore_flow(config: FlowConfig, state: dict[str, Tensor]) -> Flow:
    """A flow with trained weights, on the CPU."""
    flow = Flow(config)
    flow.load_state_dict(state)
    return flow
