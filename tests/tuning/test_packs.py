"""How trials are cut into packs."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.basis.layout import Layout
from pipeline.flow_task import FlowTaskConfig
from pipeline.params import Params
from pipeline.tuning.trial import TrialSetup, packs

NAMES = ("residual", "digit", "colour")


def trial(number: int, blocks: int = 12, params: Params | None = None) -> TrialSetup:
    params = params or Params()
    params = params.changed(flow=params.flow.changed(num_blocks=blocks))
    layout = Layout(NAMES, (30 - number, 1 + number, 1))
    return TrialSetup(number, FlowTaskConfig.of(params, Path("/latents"), layout), params.train, Path(f"/{number}"))


def cut(blocks: list[int], most: int, concurrent: int) -> list[list[int]]:
    setups = [trial(number, of_trial) for number, of_trial in enumerate(blocks)]
    return [[setup.number for setup in pack] for pack in packs(setups, most, concurrent)]


def test_trials_of_one_shape_form_packs_that_are_no_larger_than_pays_and_leave_work_for_all():
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
    assert (len(packs([trial(0), trial(1, params=other)], most=8, concurrent=1)) == 1) == together
    assert len(packs([trial(0), trial(1, params=Params(seed=9))], most=8, concurrent=1)) == 1
