"""Flows that train together: each as if it were alone, whoever is beside it."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from training.small_latents import small_flow

from pipeline.basis.layout import Layout
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowData, FlowTask, FlowTaskConfig
from pipeline.params import Optimisation
from pipeline.training.checkpoints import State
from pipeline.training.loop import Hooks, train, train_pack
from pipeline.training.optimiser import apart, joined
from pipeline.training.task import Member

CPU = torch.device("cpu")
NAMES = ("residual", "digit", "colour")
CONFIG = Optimisation(
    steps=20, batch_size=33, learning_rate=5e-3, ema_decay=0.9, log_every=5, validate_every=5, checkpoint_every=5
)
# what flows of one pack may differ in: layout, rho, seed of the study, learning rate, weight decay
OTHERS: list[dict[str, Any]] = [
    {"sizes": (4, 2, 2)},
    {"sizes": (2, 5, 1), "rho": 0.5, "rate": 1e-2},
    {"sizes": (6, 1, 1), "seed": 3, "decay": 0.5},
]


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> FlowTaskConfig:
    torch.set_num_threads(1)
    return small_flow(tmp_path_factory.mktemp("latents"), num_dims=8, input_noise=0.2)


def of(base: FlowTaskConfig, sizes: tuple[int, ...], rho: float = 0.9, seed: int = 5, **other: Any) -> FlowTaskConfig:
    layout, patience = Layout(NAMES, sizes), other.get("patience")
    return replace(base, layout=layout, flow=base.flow.changed(rho=rho), seed=seed, patience=patience)


def optimisation(rate: float = 5e-3, decay: float = 0.01, **_: Any) -> Optimisation:
    return CONFIG.changed(learning_rate=rate, weight_decay=decay)


class Trained:
    """A pack that was trained, with the curves and states that it left."""

    def __init__(
        self,
        base: FlowTaskConfig,
        flows: list[dict[str, Any]],
        resume: State | None = None,
        until: int | None = None,
    ) -> None:
        self.curves: list[list[dict[str, float]]] = [[] for _ in flows]
        self.states: list[State] = []
        data: dict[int, FlowData] = {}
        members = []
        for flow, curve in zip(flows, self.curves, strict=True):
            config = of(base, **flow)
            data.setdefault(config.seed, FlowData(config, CPU))
            members.append(Member(FlowTask(config, CPU, data[config.seed]), optimisation(**flow), curve.append))
        self.pack = FlowPack(members)
        self.failures = train_pack(self.pack, self._keep, resume, until)
        self.weights = [flow.state_dict() for flow in self.pack.model.flows]

    def _keep(self, state: State) -> None:
        members = [member | {"model": copied(member["model"])} for member in state["members"]]
        inner = state["optimiser"]["state"]
        optimiser = state["optimiser"] | {"state": {key: copied(value) for key, value in inner.items()}}
        self.states.append(State(**{**state, "members": members, "optimiser": optimiser}))


def copied(values: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in values.items()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


@pytest.fixture(scope="module")
def three(base) -> Trained:
    return Trained(base, OTHERS)


def test_the_loss_and_its_gradient_are_those_of_each_flow_alone(base):
    pack = FlowPack([Member(FlowTask(of(base, **flow), CPU), CONFIG, print) for flow in OTHERS])
    for member in pack.members:
        member.task.initialise()
    losses, figures = pack.loss(pack.model, 3, slice(5, 20))
    losses.sum().backward()
    assert torch.equal(figures["pair_nats"], losses)
    for index, flow in enumerate(OTHERS):
        alone = FlowTask(of(base, **flow), CPU)
        alone.initialise()
        loss, _ = alone.loss(alone.model, 3, slice(5, 20))
        loss.backward()
        torch.testing.assert_close(losses[index], loss)
        gradient = torch.cat([parameter.grad.flatten() for parameter in alone.model.parameters()])
        torch.testing.assert_close(pack.model.rows.grad[index, : len(gradient)], gradient, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("large", [None, 128])
def test_each_flow_trains_as_it_does_alone(base, three, large, monkeypatch):
    if large == 128:  # the weights of 16 × 16 stay apart
        monkeypatch.setattr("pipeline.flow_pack.LARGE", large)
        three = Trained(base, OTHERS)
        assert len(three.pack.model.large) > 0
    for flow, curve, weights in zip(OTHERS, three.curves, three.weights, strict=True):
        entries: list[dict[str, float]] = []
        alone = FlowTask(of(base, **flow), CPU)
        train(alone, optimisation(**flow), Hooks(log=entries.append))
        assert [list(entry) for entry in curve] == [list(entry) for entry in entries]
        for found, expected in zip(curve, entries, strict=True):
            assert found == pytest.approx(expected, rel=2e-3, abs=2e-3)
        for name, value in alone.model.state_dict().items():
            torch.testing.assert_close(weights[name], value, rtol=1e-2, atol=5e-3)
    assert three.failures == ["", "", ""]


@pytest.mark.parametrize("order", [(0,), (2,), (2, 1), (1, 0, 2)])
def test_a_flow_ends_in_the_same_bits_however_many_others_train_beside_it_and_in_whatever_place(base, three, order):
    found = Trained(base, [OTHERS[index] for index in order])
    for place, index in enumerate(order):
        assert same(found.weights[place], three.weights[index])
        assert found.curves[place] == three.curves[index]


def test_a_flow_that_diverges_is_frozen_out_and_leaves_its_neighbours_bits_as_they_are(base, three):
    found = Trained(base, [OTHERS[0], OTHERS[1] | {"rate": 1e30}, OTHERS[2]])
    assert found.failures[0] == found.failures[2] == ""
    assert found.failures[1].startswith("training diverged: pair_nats is nan at step 5; accepted are finite numbers")
    assert [entry["step"] for entry in found.curves[1]] == [0]
    for index in (0, 2):
        assert same(found.weights[index], three.weights[index])
        assert found.curves[index] == three.curves[index]
    assert [state["members"][1]["failure"] != "" for state in found.states] == [True] * 4


def test_a_pack_of_which_all_diverge_ends_there(base):
    found = Trained(base, [flow | {"rate": 1e30} for flow in OTHERS[:2]])
    assert all(failure.startswith("training diverged") for failure in found.failures)
    assert found.states == []


def test_a_flow_that_has_nothing_more_to_win_ends_alone_and_a_resumed_pack_in_the_same_bits(base, three):
    flows = [OTHERS[0], OTHERS[1] | {"rate": 1e-12, "patience": 1}, OTHERS[2]]
    whole = Trained(base, flows)
    last = [curve[-1]["step"] for curve in whole.curves]
    assert last[1] == 5
    assert last[0] == 20
    assert same(whole.weights[0], three.weights[0])
    best = whole.states[-1]["members"][1]["best"]
    assert best is not None
    assert same(whole.weights[1], best["model"])
    for state in (whole.states[0], whole.states[2]):
        resumed = Trained(base, flows, state)
        assert all(same(*pair) for pair in zip(resumed.weights, whole.weights, strict=True))
        later = [[entry for entry in curve if entry["step"] > state["step"]] for curve in whole.curves]
        assert resumed.curves == later
        assert resumed.failures == whole.failures


def test_members_of_other_optimisations_are_refused(base):
    configs = (CONFIG, CONFIG.changed(clip=1.0))
    members = [Member(FlowTask(of(base, (4, 2, 2)), CPU), config, print) for config in configs]
    with pytest.raises(ValueError, match="a pack is of one optimisation"):
        train_pack(FlowPack(members))


def test_flows_that_stop_at_a_step_go_on_in_other_packs_and_end_in_the_same_bits(base, three):
    configs = [optimisation(**flow) for flow in OTHERS]
    first = Trained(base, OTHERS, until=10)
    assert [state["step"] for state in first.states] == [5, 10]
    states = apart(first.states[-1], configs)
    sizes = [value.untyped_storage().nbytes() for state in states for value in state["members"][0]["model"].values()]
    assert max(sizes) <= first.pack.model.rows[0].numel() * 4, "a part holds its own numbers alone"
    for order in ([2, 0], [1]):
        resume = joined([states[index] for index in order], [configs[index] for index in order])
        found = Trained(base, [OTHERS[index] for index in order], resume)
        for place, index in enumerate(order):
            assert same(found.weights[place], three.weights[index])
            assert first.curves[index] + found.curves[place] == three.curves[index]
