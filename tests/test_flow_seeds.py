"""One flow by several seeds: what is its own and what is common, which is kept, and how all of them lie on disk."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training.small_latents import small_flow

from pipeline.flow_pack import FlowPack, tasks_of_seeds
from pipeline.flow_seeds import TrainedFlows, chosen, flow_card, save_flows, start_flows
from pipeline.flow_task import FlowTask, FlowTaskConfig
from pipeline.iin.iin import load_iin, seed_folders
from pipeline.params import MachineParams, TrainParams
from pipeline.tables.latents import load_latents
from pipeline.training.best import Merit
from pipeline.training.distributed import Result
from pipeline.training.task import Member

CPU = torch.device("cpu")
TRAIN = TrainParams(steps=4, batch_size=33, seeds=3)
MERIT = Merit(0.5, torch.zeros(200).double(), 90.0, 0.0)


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> FlowTaskConfig:
    torch.set_num_threads(1)
    return small_flow(tmp_path_factory.mktemp("latents"), input_noise=0.2)


def test_weights_pairs_and_noise_are_of_each_seed_and_what_they_are_validated_by_is_common(
    setup: FlowTaskConfig,
) -> None:
    other = replace(setup, seed=6)
    tasks, alone = tasks_of_seeds((setup, other), CPU), FlowTask(other, CPU)
    for task in (*tasks, alone):
        task.initialise()
    pack = FlowPack([Member(task, TRAIN, print) for task in tasks])
    losses, _ = pack.loss(pack.model, 3, slice(None))
    torch.testing.assert_close(losses[1], alone.loss(alone.model, 3, slice(None))[0])
    assert not torch.isclose(losses[0], losses[1], rtol=1e-4)
    judged_alike = FlowTask(setup, CPU)
    judged_alike.model.load_state_dict(alone.model.state_dict())
    judged = tasks[1].look()[0]
    assert judged == pytest.approx(judged_alike.look()[0], rel=1e-6, abs=1e-5)  # the rounding of a pack's memory
    assert judged["pair_nats"] != pytest.approx(alone.look()[0]["pair_nats"], rel=1e-4)


def merit(score: float, cost: float, noise: float = 0.01, seed: int = 0) -> Merit:
    common = 0.05 * np.random.default_rng(99).standard_normal(200)
    own = noise * np.random.default_rng(seed).standard_normal(200)
    return Merit(score, torch.from_numpy(score + common + own), cost, 0.0)


@pytest.mark.parametrize(
    ("merits", "seed"),
    [
        ({7: merit(0.9, 99.0)}, 7),
        ({0: merit(0.5, 90.0), 1: merit(0.9, 99.0), 2: merit(0.8, 80.0)}, 1),
        ({0: merit(0.895, 95.0, seed=1), 1: merit(0.9, 99.0), 2: merit(0.8, 80.0)}, 0),
        ({3: merit(0.9, 95.0), 4: merit(0.9, 95.0)}, 3),
        ({0: MERIT, 1: replace(MERIT, cost=89.0)}, 1),
    ],
)
def test_of_those_level_with_the_highest_gap_that_of_the_fewest_nats_is_kept(
    merits: dict[int, Merit], seed: int
) -> None:
    assert chosen(merits) == seed


def result(setup: FlowTaskConfig, seed: int) -> Result:
    task = FlowTask(replace(setup, seed=seed), CPU)
    task.initialise()
    return Result(task.model.state_dict(), 4, f'{{"step": {seed}}}\n', Path(), replace(MERIT, cost=90.0 - seed))


def saved(setup: FlowTaskConfig, trained: TrainedFlows, seeds: int, folder: Path) -> Path:
    origin: dict[str, Any] = {"backbone_sha256": "0" * 64, "layer": "latent", "cut": {}}
    train = TRAIN.changed(seeds=seeds)
    card = flow_card(setup, train, origin, folder / "train-latent-0123")
    save_flows(folder / "iin", trained, card, folder, load_latents(Path(setup.latents), "train"))
    return folder / "iin"


def test_all_lie_on_disk_and_the_card_says_which_is_kept(setup: FlowTaskConfig, tmp_path: Path) -> None:
    of_seed = {seed: result(setup, seed) for seed in (5, 7)}  # 6 has diverged
    folder = saved(setup, TrainedFlows(setup, of_seed, 7), 3, tmp_path)
    kept, maps = load_iin(folder), {seed: load_iin(path) for seed, path in seed_folders(folder).items()}
    assert list(maps) == [5, 7]
    assert (kept.card["seeds"], kept.card["chosen_seed"], kept.card["seed"], kept.seed) == (3, 7, 5, 7)
    assert [(iin.seed, "chosen_seed" in iin.card) for iin in maps.values()] == [(5, False), (7, False)]
    assert kept.sha256 == maps[7].sha256 != maps[5].sha256
    assert kept.flow.config == maps[7].flow.config != maps[5].flow.config
    assert [(path / "metrics.jsonl").read_text() for path in (folder, *seed_folders(folder).values())] == [
        '{"step": 7}\n',
        '{"step": 5}\n',
        '{"step": 7}\n',
    ]


def test_one_alone_has_a_folder_of_its_own_files_and_a_card_without_a_word_of_seeds(
    setup: FlowTaskConfig, tmp_path: Path
) -> None:
    folder = saved(setup, TrainedFlows(setup, {5: result(setup, 5)}, 5), 1, tmp_path)
    assert not seed_folders(folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "card.json",
        "extent.safetensors",
        "metrics.jsonl",
        "values.safetensors",
        "weights.safetensors",
    ]
    card = load_iin(folder).card
    assert (card["seed"], "seeds" in card, "chosen_seed" in card) == (5, False, False)


def test_a_seed_that_diverged_is_left_out_and_said(
    setup: FlowTaskConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [result(setup, 5), "training diverged: pair_nats is nan at step 4", result(setup, 7)]
    monkeypatch.setattr("pipeline.flow_seeds.start_pack", lambda *_: nullcontext(lambda: given))
    with start_flows(setup, TRAIN, MachineParams(), tmp_path) as finish:
        trained = finish()
    assert (list(trained.of_seed), trained.chosen) == ([5, 7], 7)
    assert capsys.readouterr().out.splitlines() == [
        "seed 6 is left out: training diverged: pair_nats is nan at step 4",
        "seed 7 of 5, 7 is kept, by the validation rows",
    ]
