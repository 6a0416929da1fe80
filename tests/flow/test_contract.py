"""What every invertible map owes its users, asked of each layer and of the whole flow, in float64."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from pipeline.flow import (
    ActNorm,
    AffineCoupling,
    ClosedForm,
    Flow,
    FlowConfig,
    LearnedRotation,
    Rotation,
    Shuffle,
    Whitening,
)

Build = Callable[[int, int], nn.Module]  # number of dimensions, seed -> an uninitialised module


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _config(num_dims: int, **shape: object) -> FlowConfig:
    return replace(FlowConfig(num_dims, num_blocks=3, width=5), **shape)  # type: ignore[arg-type]


def _flow(**shape: object) -> Build:
    return lambda n, seed: Flow(_config(n, seed=seed, **shape))


def _paper(n: int, seed: int) -> nn.Module:
    return Flow(replace(FlowConfig.paper(n, seed), num_blocks=2, width=5))


def _whitening(n: int, seed: int) -> nn.Module:
    matrix = torch.randn(n, n, dtype=torch.float64, generator=_generator(seed)) + 3 * torch.eye(n)
    log_abs_det = float(torch.linalg.slogdet(matrix).logabsdet)
    layer = Whitening(n)
    layer.start_as(ClosedForm(_rows(1, n)[0], matrix, matrix.inverse(), log_abs_det), torch.eye(n).double())
    return layer


BUILD: dict[str, Build] = {
    "actnorm": lambda n, _seed: ActNorm(n),
    "coupling": lambda n, _seed: AffineCoupling(_config(n, depth=1), swap=False),
    "coupling, swapped": lambda n, _seed: AffineCoupling(_config(n, depth=3), swap=True),
    "coupling, split": lambda n, _seed: AffineCoupling(
        _config(n, conditioner="split", activation="leaky_relu", log_scale_bound=1.0), swap=False
    ),
    "whitening": lambda n, seed: _whitening(n, seed),
    "shuffle": lambda n, seed: Shuffle(n, _generator(seed)),
    "rotation": lambda n, seed: Rotation(n, _generator(seed)),
    "learned rotation": lambda n, seed: LearnedRotation(n, _generator(seed)),
    "flow of shuffles": _flow(mixing="shuffle"),
    "flow of rotations": _flow(mixing="rotation"),
    "flow of learned rotations": _flow(mixing="learned_rotation"),
    "flow of a random start": _flow(start="random", reach=None),
    "flow of the paper": _paper,
}


def _rows(num_rows: int, num_dims: int, seed: int = 0) -> Tensor:
    scale = torch.linspace(0.5, 3, num_dims, dtype=torch.float64)
    return scale * torch.randn(num_rows, num_dims, dtype=torch.float64, generator=_generator(seed)) + 1


def _stirred(build: Build, num_dims: int) -> nn.Module:
    """Initialised from data and moved off its starting point, where couplings are the identity."""
    module = build(num_dims, 0).double()
    if hasattr(module, "initialise"):
        module.initialise(_rows(50, num_dims, seed=1))  # type: ignore[operator]
    generator = _generator(2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, dtype=torch.float64, generator=generator)
    return module


class _Inverse(nn.Module):
    """The inverse as a module's forward, as export wants it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, y: Tensor) -> Tensor:
        return self.module.inverse(y)  # type: ignore[no-any-return, operator]


@pytest.mark.parametrize("num_dims", [2, 3, 33])
@pytest.mark.parametrize("name", BUILD)
def test_contract(name: str, num_dims: int) -> None:
    build = BUILD[name]
    module = _stirred(build, num_dims)
    x = _rows(4, num_dims)
    y, log_abs_det = module(x)

    assert (y.shape, log_abs_det.shape) == (x.shape, (4,))
    assert (y.dtype, log_abs_det.dtype) == (torch.float64, torch.float64)
    if name != "shuffle":  # which may leave two dimensions in place
        assert not torch.allclose(y, x)

    torch.testing.assert_close(module.inverse(y), x, rtol=0, atol=1e-10)  # type: ignore[operator]
    torch.testing.assert_close(module(module.inverse(x))[0], x, rtol=0, atol=1e-10)  # type: ignore[operator]

    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: module(row[None])[0][0]))(x)
    torch.testing.assert_close(log_abs_det, torch.linalg.slogdet(jacobian).logabsdet, rtol=0, atol=1e-9)

    _check_gradients(module, x[:2])

    alone, log_abs_det_alone = module(x[:1])
    assert (alone.shape, log_abs_det_alone.shape) == ((1, num_dims), (1,))
    torch.testing.assert_close((alone[0], log_abs_det_alone[0]), (y[0], log_abs_det[0]))
    torch.testing.assert_close(module.inverse(y[:1]), x[:1], rtol=0, atol=1e-10)  # type: ignore[operator]

    restored = build(num_dims, 9).double()
    restored.load_state_dict(module.state_dict())
    again, log_abs_det_again = restored(x)
    assert torch.equal(again, y)
    assert torch.equal(log_abs_det_again, log_abs_det)
    assert torch.equal(restored.inverse(y), module.inverse(y))  # type: ignore[operator]


def _check_gradients(module: nn.Module, x: Tensor) -> None:
    """Both outputs and the inverse, by the input, and where there are few of them by the parameters."""
    few = x.shape[1] <= 3
    names, values = zip(*module.named_parameters(), strict=True) if few and list(module.parameters()) else ((), ())
    parameters = tuple(value.detach().clone().requires_grad_() for value in values)

    def forward(x: Tensor, *values: Tensor) -> tuple[Tensor, Tensor]:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (x,))  # type: ignore[no-any-return]

    x = x.clone().requires_grad_()
    # the fast mode compares a random projection of the Jacobian: as strict, and much quicker where it is large
    assert torch.autograd.gradcheck(forward, (x, *parameters), fast_mode=True)
    assert torch.autograd.gradcheck(module.inverse, (x,), fast_mode=not few)


@pytest.mark.parametrize("name", BUILD)
def test_export_of_both_directions_for_any_batch(name: str) -> None:
    module = _stirred(BUILD[name], 5)
    batch = {0: torch.export.Dim("batch", min=1)}
    for direction, shapes in ((module, {"x": batch}), (_Inverse(module), {"y": batch})):
        shapes = {"z": batch} if isinstance(direction, Flow) else shapes
        program = torch.export.export(direction, (_rows(6, 5),), dynamic_shapes=shapes)
        for num_rows in (1, 9):
            rows = _rows(num_rows, 5, seed=3)
            torch.testing.assert_close(program.module()(rows), direction(rows), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", BUILD)
def test_compile_gives_the_same_outputs_and_gradients_without_a_break(name: str) -> None:
    torch.compiler.reset()  # what other modules compiled of the same code counts against a limit
    module = _stirred(BUILD[name], 5)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    inverse = torch.compile(_Inverse(module), backend="aot_eager", fullgraph=True)
    outcomes = []
    for forward, back in ((module, _Inverse(module)), (compiled, inverse)):
        x = _rows(6, 5).requires_grad_()
        y, log_abs_det = forward(x)
        module.zero_grad()
        (y.square().sum() - log_abs_det.sum()).backward()
        gradients = [parameter.grad for parameter in module.parameters()]
        outcomes.append((y, log_abs_det, x.grad, back(y), gradients))
    torch.testing.assert_close(outcomes[0], outcomes[1], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["shuffle", "rotation", "learned rotation", *(key for key in BUILD if "flow" in key)])
def test_repeatable_from_the_seed_and_different_with_another(name: str) -> None:
    first, again, other = (BUILD[name](33, seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    drawn = [key for key in first if key.endswith(("order", "matrix", "conditioners.0.0.weight"))]
    drawn = [key for key in drawn if not key.startswith("layers.0.")]  # what is set from data
    assert drawn
    assert not any(torch.equal(first[key], other[key]) for key in drawn)


def test_blocks_of_one_flow_are_mixed_differently() -> None:
    flow = Flow(FlowConfig(num_dims=33, num_blocks=3, width=4))
    first, second, third = (layer.matrix for layer in flow.layers if isinstance(layer, Rotation))
    assert not torch.allclose(first, second)
    assert not torch.allclose(second, third)


@pytest.mark.parametrize("name", ["actnorm", "flow of rotations"])
def test_use_before_initialisation_says_what_to_do(name: str) -> None:
    module = BUILD[name](3, 0)
    for use in (module, module.inverse):
        with pytest.raises(RuntimeError, match=r"not initialised: call initialise\(batch\) once, or load trained"):
            use(torch.zeros(2, 3))  # type: ignore[operator]
    module.eval()  # evaluation is no licence either
    with pytest.raises(RuntimeError, match="not initialised"):
        module(torch.zeros(2, 3))


def test_uninitialised_weights_stay_uninitialised_when_loaded() -> None:
    module = ActNorm(3)
    module.initialise(torch.randn(9, 3, generator=_generator(0)))
    module.load_state_dict(ActNorm(3).state_dict())
    with pytest.raises(RuntimeError, match="not initialised"):
        module(torch.zeros(2, 3))
