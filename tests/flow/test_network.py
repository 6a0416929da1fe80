import copy
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch

from pipeline.flow import Flow, FlowConfig

IMPORTS = """
import sys, torch
before = set(sys.modules)
import pipeline.flow
new = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
own = {name for name in sys.modules if name.startswith("pipeline") and not name.startswith("pipeline.flow")}
print(sorted(new), sorted(own))
"""


def test_imports_torch_the_standard_library_and_the_layout_alone() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "['pipeline'] ['pipeline', 'pipeline.layout']\n"


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


@pytest.mark.parametrize("mixing", ["rotation", "shuffle"])
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


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"num_dims": 1}, "num_dims must be at least 2, found 1"),
        ({"num_blocks": 0}, "must be at least 1"),
        ({"depth": 0}, "must be at least 1"),
        ({"mixing": "stir"}, r"mixing must be one of \('rotation', 'shuffle'\), found 'stir'"),
    ],
)
def test_an_impossible_shape_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FlowConfig(**{"num_dims": 4, **wrong})
