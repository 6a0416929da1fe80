"""One vector of all parameters: the network's own are views of it, in both directions."""

import torch
from torch import nn

from pipeline.flow import Flow, FlowConfig, latent_nats
from pipeline.training.flat import FlatModel


def small_flow() -> tuple[Flow, torch.Tensor]:
    flow, z = Flow(FlowConfig(5, num_blocks=2, width=7, zero_init=False)), torch.randn(40, 5)
    flow.initialise(z)
    return flow, z


def test_outputs_and_gradients_are_the_networks_own():
    flow, z = small_flow()
    latent_nats(*flow(z)).mean().backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in flow.parameters()])
    outputs = flow(z)
    model = FlatModel(flow)
    assert [name for name, _ in model.named_parameters()] == ["flat"]
    for found, output in zip(model(z), outputs, strict=True):
        assert torch.equal(found, output)
    latent_nats(*model(z)).mean().backward()
    torch.testing.assert_close(model.flat.grad, expected)


def test_the_network_called_itself_leaves_its_gradients_in_the_vector():
    flow, z = small_flow()
    model = FlatModel(flow)
    latent_nats(*model(z)).mean().backward()
    expected = model.flat.grad.clone()
    network, optimiser = model.eager(), torch.optim.SGD([model.flat], lr=0.1)
    before = model.flat.detach().clone()
    for _ in range(2):
        optimiser.zero_grad(set_to_none=False)
        latent_nats(*network(z)).mean().backward()
        torch.testing.assert_close(model.flat.grad, expected)
    optimiser.step()
    torch.testing.assert_close(model.flat.detach(), before - 0.1 * expected)


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
