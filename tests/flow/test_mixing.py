"""A mixing of one's own: its class, a line in `MIXINGS`, and its name among those that are accepted."""

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from training.small_latents import NUM_DIMS, write_latents

from pipeline.basis import flow_shape
from pipeline.basis.layout import Layout
from pipeline.flow import Flow, FlowConfig
from pipeline.flow.config import ACTIVATIONS
from pipeline.flow.mixing import MIXINGS
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.params import FlowParams, Optimisation
from pipeline.training.loop import train


class Householder(nn.Module):
    """y = x (I − 2 v vᵀ / vᵀv), the reflection at a learned vector; log|det| = 0."""

    def __init__(self, num_dims: int, generator: torch.Generator) -> None:
        super().__init__()
        self.normal = nn.Parameter(torch.randn(num_dims, generator=generator))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.inverse(x), x.new_zeros(x.shape[0])

    def inverse(self, y: Tensor) -> Tensor:
        return y - 2 * (y @ self.normal)[:, None] * self.normal / self.normal.square().sum()


@pytest.fixture
def _householder(monkeypatch):
    monkeypatch.setitem(MIXINGS, "householder", Householder)
    monkeypatch.setattr(flow_shape, "MIXING_NAMES", (*flow_shape.MIXING_NAMES, "householder"))


@pytest.mark.usefixtures("_householder")
def test_it_can_be_named_trained_and_inverted(tmp_path):
    params = FlowParams.model_validate({"mixing": "householder", "num_blocks": 2, "width": 16})
    layout = Layout(("residual", "digit", "colour"), (2, 2, 2))
    config = FlowTaskConfig(latents=str(write_latents(tmp_path)), flow=params, layout=layout, batch_size=32, seed=0)
    task = FlowTask(config, torch.device("cpu"))
    reflections = [layer for layer in task.model.layers if isinstance(layer, Householder)]
    before = [layer.normal.detach().clone() for layer in reflections]
    train(task, Optimisation(steps=30, batch_size=32, learning_rate=1e-2))
    assert len(reflections) == 2
    assert not any(torch.equal(layer.normal, start) for layer, start in zip(reflections, before, strict=True))
    z = task.val_rows.mean
    with torch.no_grad():
        code, _ = task.model(z)
        assert (task.model.inverse(code) - z).abs().max() < 1e-4
    again = Flow(FlowConfig(**vars(config.shape)))
    again.load_state_dict(task.model.state_dict())
    assert torch.equal(again(z)[0], code)


@pytest.mark.usefixtures("_householder")
def test_what_is_accepted_is_what_the_tables_name():
    assert (list(ACTIVATIONS), list(MIXINGS)) == (
        list(flow_shape.ACTIVATION_NAMES),
        list(flow_shape.MIXING_NAMES),
    )
    accepted = "accepted are shuffle, rotation, learned_rotation, householder"
    with pytest.raises(ValueError, match=f"flow.mixing: found 'stir', {accepted}"):
        FlowConfig(NUM_DIMS, mixing="stir")
    with pytest.raises(ValidationError, match=f"flow.mixing: found 'stir', {accepted}"):
        FlowParams(mixing="stir")


def test_without_its_line_it_is_refused():
    with pytest.raises(ValueError, match=r"flow\.mixing: found 'householder', accepted are"):
        FlowConfig(NUM_DIMS, mixing="householder")
