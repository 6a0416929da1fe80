"""The flow's pair loss over stored latents, as a task of the loop."""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.concepts import pair_sampler
from pipeline.data import Latents, load_latents
from pipeline.draws import draw_seed
from pipeline.errors import InputError
from pipeline.flow import Flow, FlowConfig, graded_rho, pair_nats
from pipeline.layout import Layout

__all__ = ["FlowTask", "FlowTaskConfig"]

VALIDATION_PAIRS = 2048


@dataclass(frozen=True, kw_only=True)
class FlowTaskConfig:
    """What a flow learns from.

    Attributes:
        latents: folder of the latents table, absolute.
        flow: shape of T.
        layout: its factors; the concepts in the order of the table.
        rho: correlation of a shared factor within a pair.
        batch_size: pairs a step, over all workers.
        seed: the study's.
    """

    latents: str
    flow: FlowConfig
    layout: Layout
    rho: float
    batch_size: int
    seed: int


class FlowTask:
    """Mean pair loss, in nats a pair, of pairs and noise that are drawn anew at each step.

    Raises:
        InputError: the latents have another number of dimensions or other concepts than the layout.
    """

    def __init__(self, config: FlowTaskConfig, device: torch.device) -> None:
        """Read the training and validation rows."""
        self.config, self.device = config, device
        self.model = Flow(config.flow).to(device)
        self.train_rows = _Rows(config, "train", device)
        self.val_rows = _Rows(config, "val", device)

    def initialise(self) -> None:
        """ActNorm from both members of the pairs of step 0."""
        z, _ = self.train_rows.pairs(0, self.config.batch_size, slice(None))
        self.model.initialise(z)

    def loss(self, model: nn.Module, step: int, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean nats of a part of the step's pairs."""
        loss = self._mean_nats(model, *self.train_rows.pairs(step, self.config.batch_size, part))
        return loss, {"pair_nats": loss}

    def validate(self, model: nn.Module, step: int) -> dict[str, float]:  # noqa: ARG002  the draws are always the same
        """Mean nats of 2,048 held-out pairs, and the same as bits a dimension, L / (2 N ln 2)."""
        nats = self._mean_nats(model, *self.val_rows.pairs(0, VALIDATION_PAIRS, slice(None))).item()
        return {"pair_nats": nats, "bits_per_dim": nats / (2 * self.config.layout.num_dims * math.log(2))}

    def _mean_nats(self, model: nn.Module, z: Tensor, rho: Tensor) -> Tensor:
        code, log_abs_det = model(z)  # both members in one pass: larger products
        (code_a, code_b), (log_abs_det_a, log_abs_det_b) = code.chunk(2), log_abs_det.chunk(2)
        return pair_nats(code_a, code_b, log_abs_det_a, log_abs_det_b, self.config.layout, rho).mean()


class _Rows:
    """One split on the device, and its draws."""

    def __init__(self, config: FlowTaskConfig, split: str, device: torch.device) -> None:
        latents = load_latents(Path(config.latents), split)
        _require_fit(latents, config)
        self.mean, self.scale = torch.from_numpy(latents.mean).to(device), torch.from_numpy(latents.scale).to(device)
        self.seed, self.split, self.device = config.seed, split, device
        self.num_factors, self.rho = config.layout.num_factors, config.rho
        self.sampler = pair_sampler(latents, config.seed, f"{split}/pairs")

    def pairs(self, step: int, num_pairs: int, part: slice) -> tuple[Tensor, Tensor]:
        """Latents z = mean + scale · ε of both members [2 P, N], all a then all b, and r of each factor [P, K + 1]."""
        pairs = self.sampler.draw(step, num_pairs)
        generator = torch.Generator().manual_seed(draw_seed(self.seed, f"{self.split}/noise", step))
        noise = torch.randn(2, num_pairs, self.mean.shape[1], generator=generator)  # of the global batch
        rows = torch.cat([torch.from_numpy(pairs.a[part]), torch.from_numpy(pairs.b[part])]).to(self.device)
        z = self.mean[rows] + self.scale[rows] * noise[:, part].flatten(0, 1).to(self.device)
        concept, distance = (torch.from_numpy(of[part]).to(self.device) for of in (pairs.concept, pairs.distance))
        return z, graded_rho(concept, distance, self.num_factors, self.rho, 1.0)


def _require_fit(latents: Latents, config: FlowTaskConfig) -> None:
    found, expected = (tuple(latents.labels), latents.num_dims), (config.layout.concepts, config.flow.num_dims)
    if found != expected or config.layout.num_dims != config.flow.num_dims:
        raise InputError(
            f"{config.latents}: concepts {', '.join(found[0])} and {found[1]} dimensions, but the flow has "
            f"{', '.join(expected[0])} and {expected[1]}, in factors of {list(config.layout.sizes)}"
        )
