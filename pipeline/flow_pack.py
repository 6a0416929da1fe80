"""Flows of one shape that learn from one table together, as a pack of the engine."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from pipeline.flow import FlowStack, aligned, membership, stacked_matmul, stacked_pair_nats
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.precision import of_conditioners
from pipeline.training.parameters import LARGE
from pipeline.training.task import Member

__all__ = ["FlowPack", "tasks_of_seeds"]

HALF = 0.5  # rho of what is drawn for all: twice each flow's own rho times it is exact


class FlowPack:
    """Mean pair loss of each of F flows, in nats a pair; what flows of one seed draw at a step is drawn once.

    Args:
        members: their tasks are `FlowTask`s, which agree in what shapes tensors (flow, batch, table), in input noise
            and in precision.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members
        tasks = [member.task for member in members if isinstance(member.task, FlowTask)]
        self._device = device = tasks[0].device
        self._precision = tasks[0].config.precision
        self.model = FlowStack([task.model for task in tasks], large=LARGE)
        of_seed = {task.config.seed: task for task in tasks}
        self._drawing = [(task, task.train_rows.tied(HALF)) for task in of_seed.values()]
        self._drawn_by = torch.tensor([list(of_seed).index(task.config.seed) for task in tasks], device=device)
        rho = [2 * task.config.flow.rho for task in tasks]
        self._rho = torch.tensor(rho, dtype=torch.float64, device=device)[:, None, None]
        self._factors = torch.stack([membership(task.config.layout) for task in tasks]).to(device)
        self._colouring = aligned([task.colouring for task in tasks])

    @property
    def on_device(self) -> bool:
        """As of its tasks, which are alike."""
        return self._drawing[0][0].on_device

    def loss(self, model: nn.Module, step: int | Tensor, part: slice) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean nats of a part of the step's pairs, of each flow [F]."""
        size = self._drawing[0][0].config.batch_size
        z, shared = (
            self._of_each(drawn)
            for drawn in zip(*(rows.pairs(step, size, part) for _, rows in self._drawing), strict=True)
        )
        if self._drawing[0][0].config.input_noise:
            noise = self._of_each([task.white_noise(step, part) for task, _ in self._drawing])
            z = z + stacked_matmul(noise, self._colouring)
        with of_conditioners(self._precision, self._device):
            code, log_abs_det = model(z)  # both members in one pass: larger products
        (code_a, code_b), (log_abs_det_a, log_abs_det_b) = code.chunk(2, dim=1), log_abs_det.chunk(2, dim=1)
        rho = self._rho * shared
        nats = stacked_pair_nats(code_a, code_b, log_abs_det_a, log_abs_det_b, self._factors, rho).mean(dim=1)
        return nats, {"pair_nats": nats}

    def _of_each(self, drawn: Sequence[Tensor]) -> Tensor:
        """What each flow draws [F, …], from what is drawn of each seed."""
        return torch.stack(list(drawn))[self._drawn_by]


def tasks_of_seeds(configs: Sequence[FlowTaskConfig], device: torch.device) -> list[FlowTask]:
    """Tasks that differ in their seed alone: all are validated as the first one is, which is the study's own.

    Raises:
        InputError: the latents do not fit, as of `FlowTask`.
    """
    first = FlowTask(configs[0], device)
    others = [FlowTask(config, device, first.data.of_seed(config, device)) for config in configs[1:]]
    return [first, *others]
