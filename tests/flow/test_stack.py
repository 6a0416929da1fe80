"""A stack gives what each of its flows gives, forward and back, and its flows are views into it."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.flow import Flow, FlowConfig, FlowStack, Moments, aligned, closed_form, stacked_matmul

SHAPES = {
    "as by default": {},
    "split conditioners, leaky, bound": {"conditioner": "split", "activation": "leaky_relu", "log_scale_bound": 1.0},
    "learned rotations": {"mixing": "learned_rotation"},
    "shuffles without a reach": {"mixing": "shuffle", "reach": None},
    "random start, deep": {"start": "random", "zero_init": False, "depth": 3},
    "narrow": {"width": 1, "depth": 1, "num_blocks": 1},
}
TURNS = torch.randn(4, 33, 33, generator=torch.Generator().manual_seed(0))
each_shape = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def latents(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64).to(dtype) * 1.5 + 1


def stirred(num: int, shape: dict, num_dims: int = 7, dtype: torch.dtype = torch.float64) -> list[Flow]:
    """Flows of other seeds, initialised from other rows, and moved off their start."""
    flows = []
    for seed in range(num):
        config = replace(FlowConfig(num_dims, num_blocks=2, width=12, seed=seed), **shape)
        flow = Flow(config).to(dtype)
        flow.initialise(latents(60, num_dims, seed=seed, dtype=dtype) * (1 + seed))
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter += 0.2 * torch.randn(parameter.shape, generator=generator(seed + 9), dtype=dtype)
        flows.append(flow)
    return flows


def loss(codes: Tensor, log_abs_dets: Tensor) -> Tensor:
    return (codes.square().sum(dim=-1) - log_abs_dets).mean(dim=-1)


@each_shape
@pytest.mark.parametrize("large", [None, 40])
def test_codes_inverses_determinants_and_gradients_are_those_of_each_flow(shape, large):
    alone, stack = stirred(3, shape), FlowStack(stirred(3, shape), large)
    z = latents(3, 20, 7, seed=5)
    codes, log_abs_dets = stack(z)
    loss(codes, log_abs_dets).sum().backward()
    latents_again = stack.inverse(codes)
    assert (len(stack.large) > 0) == (large == 40 and shape.get("width") != 1)
    gradients = named_gradients(stack)
    for index, flow in enumerate(alone):
        code, log_abs_det = flow(z[index])
        torch.testing.assert_close((codes[index], log_abs_dets[index]), (code, log_abs_det))
        torch.testing.assert_close(latents_again[index], flow.inverse(code))
        loss(code, log_abs_det).backward()
        for name, parameter in flow.named_parameters():
            torch.testing.assert_close(gradients[name][index], parameter.grad)
    torch.testing.assert_close(latents_again, z)


def named_gradients(stack: FlowStack) -> dict[str, Tensor]:
    """[F, …] by the names of a flow's parameters."""
    values = [stack.rows, *stack.large]
    held = [value.detach().clone() for value in values]
    for value in values:
        value.data.copy_(value.grad)
    found = {
        name: torch.stack([dict(flow.named_parameters())[name].detach().clone() for flow in stack.flows])
        for name, _ in stack.flows[0].named_parameters()
    }
    for value, own in zip(values, held, strict=True):
        value.data.copy_(own)
    return found


@each_shape
def test_latents_that_all_share_are_mapped_by_each_flow(shape):
    stack, z = FlowStack(stirred(3, shape)), latents(20, 7)
    codes, log_abs_dets = stack(z)
    assert (codes.shape, log_abs_dets.shape) == ((3, 20, 7), (3, 20))
    repeated = z.expand(3, 20, 7)
    torch.testing.assert_close((codes, log_abs_dets), stack(repeated))
    torch.testing.assert_close(stack.inverse(z), stack.inverse(repeated))


def closed_forms(num: int) -> list:
    forms = []
    for seed in range(num):
        rows = latents(200, 7, seed=seed) @ latents(7, 7, seed=seed + 50)
        half = latents(7, 7, seed=seed + 90)
        moments = Moments(rows.mean(dim=0), torch.cov(rows.T, correction=0), (half @ half.T)[None])
        forms.append(closed_form(moments, Layout(("residual", "digit"), (7 - 2 - seed, 2 + seed))))
    return forms


@pytest.mark.parametrize("mixing", ["rotation", "learned_rotation", "shuffle"])
def test_each_flow_begins_as_its_own_closed_form(mixing):
    stack = FlowStack([Flow(FlowConfig(7, num_blocks=2, width=12, mixing=mixing, seed=seed)) for seed in range(3)])
    forms, z = closed_forms(3), latents(20, 7, dtype=torch.float32)
    stack.start_as(forms)
    for codes, form in zip(stack(z)[0], forms, strict=True):
        torch.testing.assert_close(codes, form.codes(z), rtol=0, atol=1e-4)


def test_a_random_start_is_that_of_each_flows_own_rows():
    shape = {"start": "random", "zero_init": False}
    alone, stacked = (
        [Flow(replace(FlowConfig(7, num_blocks=2, width=12, seed=s), **shape)) for s in (0, 1)] for _ in "ab"
    )
    z, stack = latents(2, 40, 7, dtype=torch.float32), FlowStack(stacked)
    for use in (stack, stack.inverse):
        with pytest.raises(RuntimeError, match=r"not initialised: call initialise\(batch\) once, or load trained"):
            use(z)
    stack.flows[0].initialise(z[0])
    with pytest.raises(RuntimeError, match="not initialised"):  # of the other flow
        stack(z)
    stack = FlowStack([Flow(flow.config) for flow in alone])
    stack.initialise(z)
    for flow, rows, found in zip(alone, z, stack.flows, strict=True):
        flow.initialise(rows)
        for name, value in flow.state_dict().items():
            torch.testing.assert_close(found.state_dict()[name], value)


@each_shape
@pytest.mark.parametrize("large", [None, 40])
def test_what_is_trained_in_the_stack_is_read_in_the_flows_and_what_is_loaded_there_is_seen_here(shape, large):
    stack, z = FlowStack(stirred(3, shape), large), latents(20, 7)
    with torch.no_grad():
        for value in stack.parameters():
            value += 0.1
    codes, _ = stack(z)
    for index, flow in enumerate(stack.flows):
        torch.testing.assert_close(flow(z)[0], codes[index])
    state, other = stack.flows[2].state_dict(), Flow(stack.flows[2].config).double()
    other.load_state_dict(state)
    torch.testing.assert_close(other(z)[0], stack.flows[2](z)[0])
    new = stirred(4, shape)[3]
    stack.flows[1].load_state_dict(new.state_dict())
    torch.testing.assert_close(stack(z)[0][1], new(z)[0])
    torch.testing.assert_close(stack(z)[0][2], codes[2])


def test_a_stack_that_moves_to_another_type_takes_its_flows_along():
    stack, z = FlowStack(stirred(2, {}, dtype=torch.float32)), latents(20, 7)
    before = stack(z.float())[0]
    stack.double()
    torch.testing.assert_close(stack(z)[0], before.double(), rtol=0, atol=1e-4)
    stack.rows.data += 0.1
    torch.testing.assert_close(stack(z)[0][1], stack.flows[1](z)[0])
    assert stack.flows[0].layers[0].matrix.dtype == torch.float64


@pytest.mark.parametrize("num_dims", [8, 33])
@each_shape
def test_a_flows_bits_depend_neither_on_how_many_others_there_are_nor_on_its_place(shape, num_dims):
    shape = shape | {"width": 16}
    if shape.get("mixing") == "learned_rotation":
        num_dims -= num_dims % 4
    torch.set_num_threads(1)
    flows, z = stirred(4, shape, num_dims, torch.float32), latents(4, 33, num_dims, dtype=torch.float32)

    def bits(*order: int) -> list[Tensor]:
        stack = FlowStack([copy.deepcopy(flows[index]) for index in order])
        codes, log_abs_dets = stack(z[list(order)])
        loss(codes, log_abs_dets).sum().backward()
        alone = [flow(rows)[0] for flow, rows in zip(stack.flows, z[list(order)], strict=True)]
        return [codes, log_abs_dets, stack.inverse(codes), stack.rows.grad, torch.stack(alone)]

    moved = [
        stacked_matmul(z[order], aligned(list(TURNS[order, :num_dims, :num_dims]))) for order in ([1, 3], [0, 1, 3])
    ]
    assert torch.equal(moved[0], moved[1][1:])
    whole = bits(0, 1, 2, 3)
    for order in ((0,), (3,), (2, 1), (3, 0, 2), (3, 2, 1, 0)):
        for found, expected in zip(bits(*order), whole, strict=True):
            assert torch.equal(found, expected[list(order)])


Build = Callable[[], list[Flow]]


@pytest.mark.parametrize(
    ("flows", "found"),
    [
        (lambda: [], "found none"),
        (lambda: [Flow(FlowConfig(3, num_blocks=blocks, width=4)) for blocks in (1, 2)], "num_blocks=1.*num_blocks=2"),
    ],
)
def test_flows_of_different_shapes_are_refused(flows: Build, found: str):
    with pytest.raises(ValueError, match=f"flows: .*{found}.*accepted are flows of one shape"):
        FlowStack(flows())
