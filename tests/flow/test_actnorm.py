import math

import pytest
import torch

from pipeline.flow import ActNorm, Flow, FlowConfig


def _rows(num_dims: int = 6) -> torch.Tensor:
    scale = torch.logspace(-3, 3, num_dims, dtype=torch.float64)
    noise = torch.randn(400, num_dims, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return scale * noise + 50 * torch.arange(num_dims)


def _check_standard(y: torch.Tensor) -> None:
    torch.testing.assert_close(y.mean(dim=0), torch.zeros_like(y[0]), rtol=0, atol=1e-9)
    torch.testing.assert_close(y.var(dim=0, unbiased=False), torch.ones_like(y[0]))


def test_initialised_from_data_each_dimension_has_mean_0_and_variance_1() -> None:
    layer = ActNorm(6).double()
    layer.initialise(_rows())
    _check_standard(layer(_rows())[0])


def test_initialising_a_flow_initialises_each_actnorm_from_what_reaches_it() -> None:
    flow = Flow(FlowConfig(num_dims=6, num_blocks=3, width=8, start="random")).double()
    flow.initialise(_rows())
    z, seen = _rows(), 0
    for layer in flow.layers:
        z, _ = layer(z)
        if isinstance(layer, ActNorm):
            _check_standard(z)
            seen += 1
    assert seen == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_dimension_keeps_scale_1(dtype: torch.dtype) -> None:
    constants = torch.tensor([0.0, 0.1, -3.3, 1e-3, 1234.567], dtype=dtype)
    rows = torch.cat((constants.repeat(1000, 1), torch.randn(1000, 1, dtype=dtype)), dim=1)
    layer = ActNorm(6).to(dtype)
    layer.initialise(rows)
    assert torch.equal(layer.log_scale[:5], torch.zeros(5, dtype=dtype))
    y, _ = layer(rows)
    assert y.abs().max() < 10


def test_one_row_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 rows, found 1"):
        ActNorm(3).initialise(torch.zeros(1, 3))


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_rows_that_are_not_finite_are_refused(number: float) -> None:
    layer = ActNorm(2)
    with pytest.raises(ValueError, match="finite numbers"):
        layer.initialise(torch.tensor([[0.0, 1.0], [number, 2.0]]))
    layer.initialise(torch.tensor([[0.0, 1.0], [1.0, 2.0]]))  # nothing of the refused rows is left


def test_a_second_initialisation_is_refused_as_is_one_of_loaded_weights() -> None:
    layer, loaded = ActNorm(6).double(), ActNorm(6).double()
    layer.initialise(_rows())
    loaded.load_state_dict(layer.state_dict())
    for trained in (layer, loaded):
        with pytest.raises(RuntimeError, match="initialised already"):
            trained.initialise(_rows())
