"""How trials are cut into packs, and what becomes of packs that do not fit or were killed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from training.small_latents import write_latents

from pipeline.basis.layout import Layout
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowTaskConfig
from pipeline.params import FlowParams, Params, TrainParams
from pipeline.training.loop import train_pack
from pipeline.tuning.course import Course
from pipeline.tuning.packs import MOST, packs
from pipeline.tuning.ray_packs import KILLED, Packs
from pipeline.tuning.sampler import Sampler
from pipeline.tuning.trial import TrialSetup, TrialSetups, known, run_pack

from .small_sweep import CPU, OF_EIGHT, study

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


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Path:
    torch.set_num_threads(1)
    return write_latents(tmp_path_factory.mktemp("latents"), num_dims=8)


def setups(params: Params, latents: Path, folder: Path) -> list[TrialSetup]:
    layouts = [Layout(("residual", "digit", "colour"), sizes) for sizes in ((4, 2, 2), (2, 2, 4), (2, 5, 1))]
    return [
        TrialSetup(number, FlowTaskConfig.of(params, latents, layout), params.train, folder / str(number))
        for number, layout in enumerate(layouts)
    ]


def test_a_pack_that_does_not_fit_is_halved_and_a_flow_that_does_not_is_one_line(latents, tmp_path, monkeypatch):
    params = study().changed(train=study().train.changed(steps=5))
    assert run_pack(setups(params, latents, tmp_path / "whole"), CPU) == ({}, [])
    room, tried = 1, []

    def small(pack: FlowPack, *arguments: Any) -> list[str]:
        tried.append(len(pack.members))
        if len(pack.members) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train_pack(pack, *arguments)

    monkeypatch.setattr("pipeline.tuning.trial.train_pack", small)
    lost, said = run_pack(setups(params, latents, tmp_path / "halved"), CPU)
    assert lost == {}
    assert tried == [3, 1, 2, 1, 1]
    assert said == [
        f"{num} flows at once are too many for the memory of cpu; half of them fit, or fewer" for num in (3, 2)
    ]
    whole, halved = (
        [known(setup) for setup in setups(params, latents, tmp_path / name)] for name in ("whole", "halved")
    )
    assert halved == whole
    assert None not in whole
    room = 0
    lost, _ = run_pack(setups(params, latents, tmp_path / "none"), CPU)
    why = "machine.device: cpu has too little memory for one flow; accepted are smaller ones"
    assert lost == dict.fromkeys(range(3), why)


def test_the_flows_of_a_pack_that_was_killed_are_handed_out_one_by_one_but_those_that_had_ended(latents, tmp_path):
    params = study(trials=3, steps=2, num_blocks=(2,), scale=(0.5, 1.0, 1.5), concurrent=1)
    setups = TrialSetups(params, latents, tmp_path, tmp_path / "trials")
    course = Course(setups, Sampler.of(params, OF_EIGHT))
    handed_out = Packs(course, course.rounds(), "cpu", 1)
    pack = handed_out.next("all")
    assert pack is not None
    assert [setup.number for setup in pack] == [0, 1, 2]
    assert handed_out.next("none") is None
    run_pack(pack[1:2], CPU)
    handed_out.killed("all")
    assert [setup.number for setup in handed_out.next("first") or ()] == [0]
    handed_out.killed("first")
    last = handed_out.next("last")
    assert last is not None
    assert [setup.number for setup in last] == [2]
    run_pack(last, CPU)
    handed_out.killed("last")  # after its flow had ended
    assert handed_out.next("none") is None
    assert handed_out.ended
    assert [found.get("failure", "") for found in course.found.values()] == [KILLED, "", ""]
