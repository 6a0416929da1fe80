"""One vector of the small parameters: the network's own are views of it, in both directions."""

import pytest
import torch
from torch import nn

from pipeline.flow import Flow, FlowConfig, latent_nats
from pipeline.training import parameters as flat
from pipeline.training.parameters import FlatModel


def small_flow() -> tuple[Flow, torch.Tensor]:
    flow, z = Flow(FlowConfig(5, num_blocks=2, width=7, start="random", zero_init=False)), torch.randn(40, 5)
    flow.initialise(z)
    return flow, z


def gradients(flow) -> list[torch.Tensor]:
    return [parameter.grad.clone() for parameter in flow.parameters()]


def vector(values) -> torch.Tensor:
    return torch.cat([value.flatten() for value in values])


@pytest.fixture(params=[flat.LARGE, 40])
def large(request, monkeypatch) -> int:
    """Elements from which a parameter stays apart: none of the flow does, or its weights of 7 × 7 and 10 × 7."""
    monkeypatch.setattr(flat, "LARGE", request.param)
    return request.param


def small_and_large(values, large) -> torch.Tensor:
    """In the order of the model's parameters."""
    small = [value for value in values if value.numel() < large]
    return vector(small + [value for value in values if value.numel() >= large])


def test_outputs_and_gradients_are_the_networks_own(large):
    flow, z = small_flow()
    latent_nats(*flow(z)).mean().backward()
    expected, outputs = small_and_large(gradients(flow), large), flow(z)
    flow.zero_grad()
    model = FlatModel(flow)
    apart = sum(parameter.numel() >= large for parameter in flow.parameters())
    assert [name for name, _ in model.named_parameters()] == ["flat", *(f"large.{index}" for index in range(apart))]
    assert (apart > 0) == (large == 40)
    for found, output in zip(model(z), outputs, strict=True):
        assert torch.equal(found, output)
    latent_nats(*model(z)).mean().backward()
    torch.testing.assert_close(vector(parameter.grad for parameter in model.parameters()), expected)


def test_the_network_called_itself_leaves_its_gradients_in_the_parameters(large):
    flow, z = small_flow()
    latent_nats(*flow(z)).mean().backward()
    expected = small_and_large(gradients(flow), large)
    flow.zero_grad()
    model = FlatModel(flow)
    parameters = list(model.parameters())
    network, optimiser = model.eager(), torch.optim.SGD(parameters, lr=0.1)
    before = vector(parameters).detach()
    for _ in range(2):
        model.zero_grad()
        latent_nats(*network(z)).mean().backward()
        torch.testing.assert_close(vector(parameter.grad for parameter in parameters), expected)
    optimiser.step()
    torch.testing.assert_close(vector(parameters).detach(), before - 0.1 * expected)


def test_what_is_trained_is_read_and_saved_under_the_networks_names():
    flow, z = small_flow()
    model = FlatModel(flow)
    with torch.no_grad():
        model.flat += 0.1
    for found, output in zip(model(z), flow(z), strict=True):
        assert torch.equal(found, output)
    other = Flow(flow.config)
    other.load_state_dict(flow.state_dict())
    assert torch.equal(other(z)[0], model(z)[0])


def test_what_is_loaded_into_the_network_is_seen():
    flow, z = small_flow()
    model = FlatModel(flow)
    other, _ = small_flow()
    flow.load_state_dict(other.state_dict())
    assert torch.equal(model(z)[0], other(z)[0])


def test_a_parameter_that_is_not_trained_stays_apart():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    model[0].requires_grad_(False)
    assert FlatModel(model).flat.shape == (3,)
