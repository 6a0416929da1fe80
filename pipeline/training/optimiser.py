"""The optimiser of networks that train together, and a pack's state taken apart and put together again.

A network's part of a pack's state is that of a pack of itself alone. So networks that have left one pack can go on in
another, beside other networks, from the same bits.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.params import Optimisation
from pipeline.training.checkpoints import MemberState, State

__all__ = ["apart", "joined", "optimiser_of"]


class _AdamW(torch.optim.AdamW):
    # As torch has it, but for its guards against being compiled: they import the compiler, 1.3 s of CPU time.
    add_param_group = inspect.unwrap(torch.optim.Optimizer.add_param_group)
    state_dict = inspect.unwrap(torch.optim.Optimizer.state_dict)
    load_state_dict = inspect.unwrap(torch.optim.Optimizer.load_state_dict)
    step = torch.no_grad()(inspect.unwrap(torch.optim.AdamW.step))


def optimiser_of(
    configs: Sequence[Optimisation], rows: Sequence[Sequence[nn.Parameter]]
) -> tuple[torch.optim.Optimizer, list[Optimisation]]:
    """AdamW, a group for the networks that share rate and decay; and the config of each group.

    Args:
        configs: of each network; they differ in learning rate and weight decay alone.
        rows: parameters of each.
    """
    groups = _groups(configs)
    of_all = [
        {
            "params": [row for number in numbers for row in rows[number]],
            "lr": configs[numbers[0]].learning_rate,
            "weight_decay": configs[numbers[0]].weight_decay,
        }
        for numbers in groups
    ]
    return _AdamW(of_all, betas=configs[0].betas, fused=True), [configs[numbers[0]] for numbers in groups]


def apart(state: State, configs: Sequence[Optimisation]) -> list[State]:
    """What each network of a pack goes on from by itself, or in another pack; copies, so that none holds all of them.

    Args:
        state: of the pack, as `train_pack` gives it.
        configs: of each of its networks.
    """
    of_each: dict[int, dict[str, Any]] = {}
    saved = state["optimiser"]
    for group, numbers in zip(saved["param_groups"], _groups(configs), strict=True):
        size = len(group["params"]) // len(numbers)
        for place, number in enumerate(numbers):
            own = group["params"][place * size : (place + 1) * size]
            values = {index: saved["state"][key] for index, key in enumerate(own) if key in saved["state"]}
            of_each[number] = {"state": values, "param_groups": [{**group, "params": list(range(size))}]}
    return [
        _copied(State(step=state["step"], members=[member], optimiser=of_each[number], compiled=state["compiled"]))
        for number, member in enumerate(state["members"])
    ]


def joined(states: Sequence[State], configs: Sequence[Optimisation]) -> State:
    """What a pack of networks goes on from, each from a state of its own; all have done as many steps."""
    param_groups: list[dict[str, Any]] = []
    values: dict[int, Any] = {}
    taken = 0
    for numbers in _groups(configs):
        first = taken
        for number in numbers:
            own = states[number]["optimiser"]
            values |= {taken + index: value for index, value in own["state"].items()}
            taken += len(own["param_groups"][0]["params"])
        (group,) = states[numbers[0]]["optimiser"]["param_groups"]
        param_groups.append({**group, "params": list(range(first, taken))})
    members: list[MemberState] = [member for state in states for member in state["members"]]
    optimiser = {"state": values, "param_groups": param_groups}
    return State(step=states[0]["step"], members=members, optimiser=optimiser, compiled=states[0]["compiled"])


def _groups(configs: Sequence[Optimisation]) -> list[list[int]]:
    """Numbers of the networks that share learning rate and weight decay."""
    groups: dict[tuple[float, float], list[int]] = {}
    for number, config in enumerate(configs):
        groups.setdefault((config.learning_rate, config.weight_decay), []).append(number)
    return list(groups.values())


def _copied(value: Any) -> Any:
    """The same with tensors of their own: a view is stored with all that it is a view of."""
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return [_copied(item) for item in value] if isinstance(value, list) else value
