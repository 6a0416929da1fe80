import copy
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.flow import AffineCoupling, ClosedForm, Flow, FlowConfig, Shuffle

STARTS: tuple[Any, ...] = ("closed_form", "random")

IMPORTS = """
import sys, torch
before = set(sys.modules)
import pipeline.flow
new = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
own = {name for name in sys.modules if name.startswith("pipeline") and not name.startswith("pipeline.flow")}
print(sorted(new), sorted(own))
"""


def test_imports_torch_the_standard_library_and_two_small_modules_of_ours_alone() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    own = "'pipeline', 'pipeline.basis', 'pipeline.basis.flow_shape', 'pipeline.basis.layout'"
    assert done.stdout == f"['pipeline'] [{own}]\n"


def test_construction_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    legacy = np.random.get_state(legacy=False)["state"]["key"].copy()  # type: ignore[index]
    Flow(FlowConfig(num_dims=4, num_blocks=1, width=4, seed=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state(legacy=False)["state"]["key"], legacy)  # type: ignore[index]


def test_construction_does_not_depend_on_the_global_generator() -> None:
    states = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        states.append(Flow(FlowConfig(num_dims=4, num_blocks=1, width=4)).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("mixing", ["rotation", "shuffle", "learned_rotation"])
def test_float32_round_trip_of_the_default_shape(mixing: Any) -> None:
    flow = Flow(FlowConfig(num_dims=32, mixing=mixing))
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(500, 32, generator=generator)
    flow.initialise(z)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
        code, _ = flow(z)
        assert (code - z).abs().max() > 1  # it does something
        assert (flow.inverse(code) - z).abs().max() < 1e-5


def test_a_flow_moved_to_float64_keeps_its_rotations_exact() -> None:
    flow = Flow(FlowConfig(num_dims=32, num_blocks=6, width=8))
    z = torch.randn(100, 32, generator=torch.Generator().manual_seed(0))
    flow.initialise(z)
    precise = copy.deepcopy(flow).float().double()
    code, _ = precise(z.double())
    assert (precise.inverse(code) - z).abs().max() < 1e-12


def _stirred(config: FlowConfig, z: Tensor) -> Flow:
    """Initialised from z, with couplings that are no longer the identity."""
    flow = Flow(config)
    flow.initialise(z)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter += 0.3 / config.width**0.5 * torch.randn(parameter.shape, generator=generator)
    return flow


WIDTHS = [(2, "rotation"), (3, "rotation"), (2047, "rotation"), (2048, "rotation"), (4096, "shuffle")]


@pytest.mark.parametrize(("num_dims", "mixing"), WIDTHS)
def test_widths_from_2_to_4096_and_a_batch_of_one(num_dims: int, mixing: str) -> None:
    z = torch.randn(max(8, 2 * num_dims), num_dims, generator=torch.Generator().manual_seed(0))  # full rank: of fewer
    flow = _stirred(FlowConfig(num_dims, num_blocks=2, width=16, mixing=mixing), z)  # rows whitening is ill-conditioned
    with torch.no_grad():
        for rows in (z[:8], z[:1]):
            code, log_abs_det = flow(rows)
            assert log_abs_det.shape == (len(rows),)
            assert (flow.inverse(code) - rows).abs().max() < 1e-4


@pytest.mark.parametrize("mixing", ["rotation", "shuffle", "learned_rotation"])
def test_autocast_keeps_codes_and_log_determinants_in_float32(mixing: Any) -> None:
    z = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    flow = _stirred(FlowConfig(16, num_blocks=4, width=32, mixing=mixing), z)
    exact, exact_log_abs_det = flow(z)
    with torch.autocast("cpu", torch.bfloat16):
        code, log_abs_det = flow(z)
        back = flow.inverse(code)
    assert (code.dtype, log_abs_det.dtype, back.dtype) == (torch.float32,) * 3
    assert 0 < (code - exact).abs().max() < 0.2, "the conditioners alone are rounded, to 8 bits"
    assert (log_abs_det - exact_log_abs_det).abs().max() < 0.2
    assert (back - z).abs().median() < 1e-4, "what is rounded cancels in the inverse, but where it rounds otherwise"
    (code.square().sum() - log_abs_det.sum()).backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in flow.parameters())  # type: ignore[union-attr]


def test_log_determinants_of_a_batch_do_not_depend_on_each_other() -> None:
    z = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    flow = _stirred(FlowConfig(16, num_blocks=4, width=32), z)
    torch.testing.assert_close(flow(z)[1][:7], flow(z[:7])[1])


def test_the_paper_s_preset_is_that_of_its_released_code() -> None:
    flow = Flow(FlowConfig.paper(64))
    couplings = [layer for layer in flow.layers if isinstance(layer, AffineCoupling)]
    assert len(couplings) == 24
    for coupling in couplings:
        assert len(coupling.conditioners) == 2, "shift and log-scale by networks of their own"
        for conditioner in coupling.conditioners:
            widths = [layer.out_features for layer in conditioner if isinstance(layer, nn.Linear)]  # type: ignore[union-attr]
            assert widths == [512, 512, 512, 32]
            assert sum(isinstance(layer, nn.LeakyReLU) for layer in conditioner) == 3  # type: ignore[union-attr]
            assert conditioner[-1].weight.abs().max() > 0  # type: ignore[index]
    assert sum(isinstance(layer, Shuffle) for layer in flow.layers) == 12
    z = torch.randn(50, 64, generator=torch.Generator().manual_seed(0))
    flow.initialise(z)
    with torch.no_grad():
        couplings[0].conditioners[1][-1].bias += 1000  # type: ignore[index]
    largest = couplings[0](z)[1].abs().max()
    assert 31 < largest <= 32, "a tanh bounds each of the 32 log-scales by 1"


@pytest.mark.parametrize("bound", [0.5, 2.0])
def test_a_log_scale_is_the_bound_times_the_tanh_of_its_share_of_it(bound: float) -> None:
    x = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double()
    flow = Flow(
        FlowConfig(6, num_blocks=1, width=16, start="random", reach=None, zero_init=False, log_scale_bound=bound)
    ).double()
    (coupling, _) = (layer for layer in flow.layers if isinstance(layer, AffineCoupling))
    raw = 3 * coupling.conditioners[0](x[:, 3:] if coupling.swap else x[:, :3])[:, 3:]
    with torch.no_grad():
        coupling.conditioners[0][-1].weight *= 3  # type: ignore[index, operator]
        coupling.conditioners[0][-1].bias *= 3  # type: ignore[index, operator]
    torch.testing.assert_close(coupling(x)[1], (bound * torch.tanh(raw / bound)).sum(dim=1))


def _closed_form(num_dims: int) -> ClosedForm:
    matrix = torch.randn(num_dims, num_dims, generator=torch.Generator().manual_seed(1)).double() + 2 * torch.eye(
        num_dims
    )
    return ClosedForm(torch.ones(num_dims).double(), matrix, matrix.inverse(), float(torch.linalg.slogdet(matrix)[1]))


@pytest.mark.parametrize("mixing", ["rotation", "shuffle", "learned_rotation"])
def test_it_starts_as_the_closed_form_whatever_mixes(mixing: Any) -> None:
    form, flow = _closed_form(9), Flow(FlowConfig(9, num_blocks=5, width=8, mixing=mixing)).double()
    flow.start_as(form)
    z = 3 * torch.randn(20, 9, generator=torch.Generator().manual_seed(0)).double()
    code, log_abs_det = flow(z)
    torch.testing.assert_close(code, form.codes(z), rtol=0, atol=1e-12)
    torch.testing.assert_close(
        log_abs_det, torch.full((20,), form.log_abs_det, dtype=torch.float64), rtol=0, atol=1e-12
    )
    with pytest.raises(RuntimeError, match="initialised already"):
        flow.start_as(form)


def test_a_random_start_has_no_closed_form_to_begin_as() -> None:
    shapes = [
        [type(layer).__name__ for layer in Flow(FlowConfig(4, num_blocks=1, start=start)).layers] for start in STARTS
    ]
    block = ["ActNorm", "AffineCoupling", "AffineCoupling", "Rotation"]
    assert shapes == [["Whitening", *block], block]


def test_with_a_reach_a_latent_far_from_all_data_comes_back() -> None:
    """Couplings off the identity, as training takes them, and latents ten times as far from the mean as the data."""
    z = torch.randn(200, 16, generator=torch.Generator().manual_seed(0))
    worst = {}
    for reach in (4.0, None):
        flow = Flow(FlowConfig(16, width=32, reach=reach))
        flow.initialise(z)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter += 0.06 * torch.randn(parameter.shape, generator=generator)
            worst[reach] = float((flow.inverse(flow(10 * z)[0]) - 10 * z).abs().max())
    assert worst[4.0] < 1e-3
    assert not worst[None] < 1e6


def test_the_default_starts_as_the_data_rotated_and_standardised() -> None:
    z = 3 * torch.randn(300, 8, generator=torch.Generator().manual_seed(0)) + 1
    flow = Flow(FlowConfig(8))
    flow.initialise(z)
    code, log_abs_det = flow(z)
    assert torch.allclose(log_abs_det, log_abs_det[0].expand(300))
    affine = torch.linalg.lstsq(torch.hstack([z, torch.ones(300, 1)]), code)
    assert torch.hstack([z, torch.ones(300, 1)]).matmul(affine.solution).sub(code).abs().max() < 1e-4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_dims": 1}, "num_dims: found 1, accepted are integers from 2"),
        ({"num_blocks": 0}, "num_blocks: found 0, accepted are integers from 1"),
        ({"depth": 0}, "depth: found 0, accepted are integers from 1"),
        ({"width": 4.5}, "width: found 4.5, accepted are integers from 1"),
        ({"log_scale_bound": 0.0}, "log_scale_bound: found 0.0, accepted are finite ones above 0"),
        ({"log_scale_bound": math.inf}, "log_scale_bound: found inf, accepted are finite ones above 0"),
        ({"reach": 0.0}, "reach: found 0.0, accepted are finite ones above 0, or none"),
        ({"start": "warm"}, "start: found 'warm', accepted are closed_form, random"),
        ({"zero_init": False}, "zero_init: found False, accepted is True where flow.start is closed_form"),
        ({"mixing": "stir"}, "mixing: found 'stir', accepted are shuffle, rotation, learned_rotation"),
        ({"conditioner": "both"}, "conditioner: found 'both', accepted are shared, split"),
        ({"activation": "step"}, "activation: found 'step', accepted are silu, leaky_relu"),
    ],
)
def test_an_impossible_shape_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowConfig(**{"num_dims": 4, **wrong})
