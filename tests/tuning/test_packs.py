"""How trials are cut into packs."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.basis.layout import Layout
from pipeline.flow_task import FlowTaskConfig
from pipeline.params import FlowParams, Params, TrainParams
from pipeline.tuning.trial import MOST, TrialSetup, packs

NAMES = ("residual", "digit", "colour")


def trial(number: int, blocks: int = 12, params: Params | None = None) -> TrialSetup:
    params = params or Params()
    params = params.changed(flow=params.flow.changed(num_blocks=blocks))
    layout = Layout(NAMES, (30 - number, 1 + number, 1))
    return TrialSetup(number, FlowTaskConfig.of(params, Path("/latents"), layout), params.train, Path(f"/{number}"))


def test_trials_of_one_shape_form_packs_that_are_no_larger_than_pays_and_leave_work_for_all(monkeypatch):
    def cut(blocks: list[int], most: int, concurrent: int) -> list[list[int]]:
        monkeypatch.setitem(MOST, "cpu", most)
        setups = [trial(number, of_trial) for number, of_trial in enumerate(blocks)]
        return [[setup.number for setup in pack] for pack in packs(setups, "cpu", concurrent)]

    assert cut([12, 12, 12, 16], most=8, concurrent=2) == [[0, 1, 2], [3]], "the default sweep"
    assert cut([12, 16, 12, 16], most=8, concurrent=1) == [[0, 2], [1, 3]]
    assert cut([12] * 4, most=8, concurrent=2) == [[0, 1], [2, 3]]
    assert cut([12] * 9, most=4, concurrent=1) == [[0, 1, 2], [3, 4, 5], [6, 7, 8]]
    assert cut([12, 12], most=8, concurrent=5) == [[0], [1]], "no flow is cut in two"
    assert cut([], most=8, concurrent=2) == []


@pytest.mark.parametrize(
    ("section", "change", "together"),
    [
        ("flow", {"rho": 0.5}, True),
        ("train", {"learning_rate": 1.0}, True),
        ("train", {"weight_decay": 0.0}, True),
        ("flow", {"width": 8}, False),
        ("flow", {"mixing": "shuffle"}, False),
        ("train", {"batch_size": 8}, False),
        ("train", {"input_noise": 0.0}, False),
        ("train", {"clip": None}, False),
        ("train", {"ema_decay": None}, False),
    ],
)
def test_what_a_pack_may_differ_in(section: str, change: dict[str, Any], together: bool):
    other = Params().changed(**{section: getattr(Params(), section).changed(**change)})
    assert (len(packs([trial(0), trial(1, params=other)], "cpu", concurrent=1)) == 1) == together
    assert len(packs([trial(0), trial(1, params=Params(seed=9))], "cpu", concurrent=1)) == 1


@pytest.mark.parametrize(
    ("width", "batch_size", "sizes"), [(64, 256, [5]), (256, 256, [2, 2, 1]), (512, 2048, [1] * 5)]
)
def test_on_a_cpu_packs_of_large_flows_are_small_as_they_would_take_memory_alone(width, batch_size, sizes):
    params = Params().changed(flow=FlowParams(width=width), train=TrainParams(batch_size=batch_size))
    setups = [trial(number, params=params) for number in range(5)]
    assert sorted(map(len, packs(setups, "cpu", concurrent=1)), reverse=True) == sizes
    assert [len(pack) for pack in packs(setups, "cuda", concurrent=1)] == [5]
