"""Flows of one shape as one program: one kernel does for all of them what each would start of its own.

A step of a small flow is hundreds of small kernels, whose start costs more than their work. Stacked, F flows take as
many kernels as one does. Each flow stays what it is: a `Flow` of its own, whose parameters and buffers are views into
the stack's, so that what is trained here is read there, and what is loaded there is seen here.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from pipeline.flow.actnorm import ActNorm
from pipeline.flow.closed_form import ClosedForm
from pipeline.flow.network import Flow

__all__ = ["FlowStack", "aligned", "stacked_matmul"]

_ALIGNED = 16  # numbers of float32 in 64 bytes


class FlowStack(nn.Module):
    """F flows of one shape: latents z [F, B, N], or [B, N] for all of them, to codes [F, B, N] and back.

    The numbers are those of each flow alone, to rounding. On a CPU with one thread, where 16 divides the width (and 4
    divides N, of learned rotations), a flow's bits depend neither on how many others are stacked with it nor on its
    place among them: a matrix product rounds by where in memory a matrix begins, so each flow's own begin at a multiple
    of 64 bytes.

    Args:
        flows: on one device, initialised or not; they differ in nothing but their seed and their numbers.
        large: elements of a parameter of one flow from which it stays apart; None: none does.

    Attributes:
        flows: the same flows, as views into the stack.
        rows: parameters of all flows, a row each, with zeros at its end [F, P].
        large: those that stay apart [F, …], in the order of a flow's parameters.

    Raises:
        ValueError: there is no flow, or two differ in shape.

    Example:
        >>> from pipeline.flow import FlowConfig
        >>> flows = [Flow(FlowConfig(num_dims=4, num_blocks=2, width=8, seed=seed)) for seed in range(3)]
        >>> stack, z = FlowStack(flows), torch.randn(64, 4)
        >>> stack.initialise(z)
        >>> code, log_abs_det = stack(z)
        >>> code.shape, log_abs_det.shape, torch.allclose(code[2], flows[2](z)[0], atol=1e-5)
        (torch.Size([3, 64, 4]), torch.Size([3, 64]), True)
    """

    def __init__(self, flows: Sequence[Flow], large: int | None = None) -> None:
        super().__init__()
        self.flows = tuple(flows)  # no ModuleList, or their parameters would be parameters here too
        shapes = {str(replace(flow.config, seed=0)) for flow in flows}
        if len(shapes) != 1:
            raise ValueError(f"flows: found {' and '.join(sorted(shapes)) or 'none'}, accepted are flows of one shape")
        named = [dict(flow.named_parameters()) for flow in flows]
        self._shapes = {name: value.shape for name, value in named[0].items()}
        sizes = {name: shape.numel() for name, shape in self._shapes.items()}
        self._apart = [
            name for name, size in sizes.items() if large is not None and size >= large and not size % _ALIGNED
        ]
        self._small = [name for name in sizes if name not in self._apart]
        self.rows = nn.Parameter(_rows([[each[name].detach() for name in self._small] for each in named]))
        self.large = nn.ParameterList(torch.stack([each[name].detach() for each in named]) for name in self._apart)
        self._one = (_one_of_them(flows[0]),)
        self._bind()

    def __len__(self) -> int:
        return len(self.flows)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Map latents z to (codes [F, B, N], log|det T′(z)| [F, B])."""
        code, log_abs_det = self._mapped(z, back=False)
        return code, log_abs_det

    def inverse(self, code: Tensor) -> Tensor:
        """Map codes [F, B, N], or [B, N], back to latents [F, B, N]."""
        (z,) = self._mapped(code, back=True)
        return z

    def initialise(self, z: Tensor) -> None:
        """Begin each flow from its batch of z, as `Flow.initialise` does."""
        for flow, rows in zip(self.flows, z.expand(len(self), *z.shape[-2:]), strict=True):
            flow.initialise(rows)

    def start_as(self, forms: Sequence[ClosedForm]) -> None:
        """Begin each flow as a linear map of its own, as `Flow.start_as` does."""
        for flow, form in zip(self.flows, forms, strict=True):
            flow.start_as(form)

    def _mapped(self, x: Tensor, *, back: bool) -> tuple[Tensor, ...]:
        for layer in (layer for flow in self.flows for layer in flow.layers):
            if isinstance(layer, ActNorm):
                layer.require_initialised()
        num_rows, each, x = x.shape[-2], x.dim() == 3, _whole_lines(x)
        values = {f"flow.{name}": value for name, value in (self._by_name() | self._buffers_as(x.dtype)).items()}
        # torch's exponential of one matrix has other bits than that of several: so there are two of a lone flow
        doubled = len(self) == 1 and self.flows[0].config.mixing == "learned_rotation"
        if doubled:
            values = {name: value.expand(2, *value.shape[1:]) for name, value in values.items()}
            x = x.expand(2, *x.shape[1:]) if each else x

        def of_one(values: dict[str, Tensor], x: Tensor) -> tuple[Tensor, ...]:
            found: tuple[Tensor, ...] = functional_call(self._one[0], values, (x, back))
            return found

        found: tuple[Tensor, ...] = vmap(of_one, in_dims=(0, 0 if each else None))(values, x)
        return tuple(value[: len(self), :num_rows] for value in found)

    def _by_name(self) -> dict[str, Tensor]:
        """Of all flows [F, …], by name."""
        small = _views(self.rows, [self._shapes[name] for name in self._small])
        return dict(zip([*self._small, *self._apart], [*small, *self.large], strict=True))

    def _buffers_as(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """Of all flows [F, …], by name; those that are exact in the type of what they are applied to, as a layer would
        cast each."""
        exact = _views(self._exact.to(dtype), list(self._exact_shapes.values()))
        return dict(zip(self._exact_shapes, exact, strict=True)) | self._other_buffers

    def _bind(self) -> None:
        """Make what the flows hold views into the stack: parameters into the rows, and buffers into others."""
        buffers = [dict(flow.named_buffers()) for flow in self.flows]
        self._exact_shapes = {name: value.shape for name, value in buffers[0].items() if value.is_floating_point()}
        self._exact = _rows([[each[name] for name in self._exact_shapes] for each in buffers])
        self._other_buffers = {
            name: torch.stack([each[name] for each in buffers]) for name in buffers[0] if name not in self._exact_shapes
        }
        parameters, stacked = self._by_name(), self._buffers_as(self._exact.dtype)
        for index, flow in enumerate(self.flows):
            for name, parameter in flow.named_parameters():
                parameter.data = parameters[name].detach()[index]
            for name, value in stacked.items():
                module, _, own = name.rpartition(".")
                setattr(flow.get_submodule(module), own, value[index])

    def _apply(self, fn, recurse: bool = True):  # type: ignore[no-untyped-def]
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for flow in self.flows:
            flow._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._bind()
        return self


class _BothWays(nn.Module):
    """A flow forward, or back, as the one call that a module has."""

    def __init__(self, flow: Flow) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor, back: bool) -> tuple[Tensor, ...]:
        """Codes and log-determinants, or latents."""
        if back:
            return (self.flow.inverse(x),)
        found: tuple[Tensor, ...] = self.flow(x)
        return found


class _StackedLinear(nn.Linear):
    """A linear layer that vmap makes one kernel, where of torch's own it makes ten."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [B, in] to [B, out]."""
        found: Tensor = _Linear.apply(input, self.weight, self.bias)
        return found


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return nn.functional.linear(x, weight, bias)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing: under vmap it is the operations below that are differentiated."""

    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, weight: Tensor, bias: Tensor) -> tuple[Tensor, int]:
        weight, bias = weight.movedim(in_dims[1], 0), bias.movedim(in_dims[2], 0)
        x = x.expand(info.batch_size, *x.shape) if in_dims[0] is None else x.movedim(in_dims[0], 0)
        return torch.baddbmm(bias[:, None], x, weight.mT), 0


def stacked_matmul(x: Tensor, matrices: Tensor) -> Tensor:
    """x [F, B, N] · matrices [F, N, M] of `aligned`; with bits that depend neither on F nor on the place."""
    return torch.bmm(_whole_lines(x), matrices)[:, : x.shape[1]]


def aligned(values: Sequence[Tensor]) -> Tensor:
    """Stack F values [...] as [F, ...], each of which begins at a multiple of 64 bytes."""
    return _views(_rows([[value] for value in values]), [values[0].shape])[0]


def _whole_lines(x: Tensor) -> Tensor:
    """x [..., B, N] with rows of zeros at its end, so that what follows it in memory is aligned as it is."""
    return nn.functional.pad(x, (0, 0, 0, -x.shape[-2] % _ALIGNED))


def _rows(values: Sequence[Sequence[Tensor]]) -> Tensor:
    """All values of each flow in a row, with zeros at its end, so that rows begin where memory is aligned."""
    rows = torch.stack([torch.cat([value.flatten() for value in each]) if each else torch.zeros(0) for each in values])
    return nn.functional.pad(rows, (0, -rows.shape[1] % _ALIGNED))


def _views(rows: Tensor, shapes: Sequence[torch.Size]) -> list[Tensor]:
    """What `_rows` put there [F, …]; by `split`, so that the backward pass of it all is one concatenation."""
    sizes = [shape.numel() for shape in shapes]
    *parts, _ = rows.split([*sizes, rows.shape[1] - sum(sizes)], dim=1)
    return [part.view(len(rows), *shape) for part, shape in zip(parts, shapes, strict=True)]


def _one_of_them(flow: Flow) -> _BothWays:
    """What is called with the numbers of each flow in turn; it has none of its own."""
    one = copy.deepcopy(flow).to("meta")
    for module in one.modules():
        if isinstance(module, ActNorm):
            module.ready = True  # which is asked of each flow
        elif isinstance(module, nn.Linear):
            module.__class__ = _StackedLinear
    return _BothWays(one)
