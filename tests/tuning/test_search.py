"""A tiny sweep through Ray Tune: what it tries, that two sweeps agree, and that a killed one goes on."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from training.small_latents import NUM_DIMS, write_latents

from pipeline.basis.curves import METRICS, entries
from pipeline.basis.layout import Layout
from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.flow_pack import FlowPack
from pipeline.flow_task import FlowTaskConfig
from pipeline.params import FlowParams, MachineParams, Params, TrainParams, TuneParams
from pipeline.params.section import Positive
from pipeline.training.loop import train_pack
from pipeline.tuning.flow_file import FlowChoice, read_flow_file, write_flow_file
from pipeline.tuning.search import sweep
from pipeline.tuning.space import SEARCHED, Candidate
from pipeline.tuning.trial import MOST, TrialSetup, run_pack

CPU = torch.device("cpu")
ESTIMATE = Layout(("residual", "digit", "colour"), (2, 2, 2))


@pytest.fixture(scope="module")
def ray_session():
    with start_ray(MachineParams()) as resources:
        yield resources


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Path:
    return write_latents(tmp_path_factory.mktemp("latents"))


def study(**tune: Any) -> Params:
    return Params(
        seed=5,
        flow=FlowParams(num_blocks=2, width=8, depth=1, rho=0.9),
        train=TrainParams(batch_size=32, learning_rate=3e-3, log_every=5, validate_every=10),
        tune=TuneParams(trials=3, steps=10, concurrent=2, num_blocks=(1, 2), scale=(0.5, 1.0)).changed(**tune),
    )


@pytest.mark.usefixtures("ray_session")
def test_two_sweeps_write_the_same_flow_file(latents, tmp_path, capfd):
    contents, choices = [], []
    for name in ("one", "two"):
        run_folder = tmp_path / name / "tune-latent-0123"
        choices.append(sweep(study(), latents, ESTIMATE, run_folder))
        write_flow_file(tmp_path / name / "flow.yaml", choices[-1])
        contents.append((tmp_path / name / "flow.yaml").read_bytes())
    assert contents[0] == contents[1]
    trials = choices[0].trials
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert trials[0].candidate == Candidate({"num_blocks": 2}, ESTIMATE), "first the own settings and the estimate"
    assert len({trial.candidate.name for trial in trials}) == 3
    assert all(trial.candidate.layout.num_dims == NUM_DIMS for trial in trials)
    assert all(trial.gap_low <= trial.probe_gap <= trial.gap_high for trial in trials)
    assert len({trial.pair_nats for trial in trials}) > 1
    back = read_flow_file(tmp_path / "one" / "flow.yaml")
    assert (back.candidate, back.chosen) == (choices[0].candidate, choices[0].chosen)
    assert back.trials[0].pair_nats == pytest.approx(trials[0].pair_nats, abs=1e-6)
    output = capfd.readouterr()
    lines = [line for line in output.out.splitlines() if not line.startswith("tune latent  ")]
    assert [line[:8] for line in lines] == 2 * ["trial 0:", "trial 1:", "trial 2:"], "Ray itself says nothing"
    assert sum(line.endswith(", chosen") for line in lines) == 2
    assert output.err == ""

    kept = sorted((tmp_path / "one").glob("tune-latent-0123/trials/*/figures.json"))
    before = [path.stat().st_mtime_ns for path in kept]
    kept[0].unlink()  # as if the sweep had been killed in its last trial
    again = sweep(study(), latents, ESTIMATE, tmp_path / "one" / "tune-latent-0123")
    assert again == choices[0]
    assert [path.stat().st_mtime_ns for path in kept[1:]] == before[1:]


def _one_after_another(packs: list[list[TrialSetup]], *_: object) -> list[SimpleNamespace]:
    found = [run_pack(pack, CPU) for pack in packs]
    return [SimpleNamespace(error=None, metrics={"found": outcomes, "said": said}) for outcomes, said in found]


@pytest.fixture
def without_ray(monkeypatch):
    """A sweep in this process: what Ray Tune would run of each pack, one after another."""
    torch.set_num_threads(1)
    monkeypatch.setattr("pipeline.tuning.search.start_ray", lambda _machine: nullcontext(SimpleNamespace(device="cpu")))
    monkeypatch.setattr("pipeline.tuning.search._run", _one_after_another)


@pytest.mark.usefixtures("without_ray")
def test_of_too_few_validation_rows_trials_go_by_nats_and_no_gap_is_said(tmp_path, capsys):
    few = write_latents(tmp_path / "latents", num_val=4)
    choice = sweep(study(trials=2), few, ESTIMATE, tmp_path / "tune-latent-0123")
    assert all(trial.probe_gap is trial.gap_low is trial.behind_low is None for trial in choice.trials)
    assert choice.chosen == min(choice.trials, key=lambda trial: trial.pair_nats).number
    assert choice.reason == "as it has the fewest nats a pair of the 2 trials"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "validation rows: 4 originals have a value in every concept (in 'digit' 4, the fewest), and a probe needs 5; "
        "so the best trial is that of the fewest held-out nats alone"
    )
    assert [line.partition(" nats")[0] for line in lines[1:]] == [
        f"trial {trial.number}: {trial.candidate}, {trial.pair_nats:.2f}" for trial in choice.trials
    ]


@pytest.mark.usefixtures("ray_session")
def test_a_wrong_input_met_in_a_trial_is_one_line(latents, tmp_path):
    foreign = Layout(("residual", "digit", "smile"), (2, 2, 2))
    with pytest.raises(InputError) as caught:
        sweep(study(), latents, foreign, tmp_path / "tune-latent-0123")
    assert str(caught.value) == (
        f"trial of 2 blocks, sizes [2, 2, 2]: {latents}: concepts digit, colour and 6 dimensions, but the flow has "
        "digit, smile and 6, in factors of [2, 2, 2]"
    )


class WiderTuneParams(TuneParams):
    """Section `tune` with the values of a further key."""

    learning_rate: tuple[Positive, ...] = (1e-4, 1e-2)


@pytest.mark.usefixtures("ray_session")
def test_a_further_searched_parameter_is_a_line_of_the_space_and_a_key_of_tune(latents, tmp_path, monkeypatch, capfd):
    monkeypatch.setitem(SEARCHED, "learning_rate", "learning rate {}")
    tune = WiderTuneParams(trials=3, steps=10, num_blocks=(2,), scale=(1.0,))
    params = study().changed(tune=tune, train=study().train.changed(schedule="constant"))
    choice = sweep(params, latents, ESTIMATE, tmp_path / "tune-latent-0123")
    settings = [trial.candidate.settings for trial in choice.trials]
    assert settings[0] == {"num_blocks": 2, "learning_rate": 3e-3}, "the params' own"
    assert sorted(row["learning_rate"] for row in settings) == [1e-4, 3e-3, 1e-2]
    for trial in choice.trials:
        curve = entries(tmp_path / "tune-latent-0123" / "trials" / trial.candidate.name / METRICS)
        assert curve[1]["train/learning_rate"] == trial.candidate.settings["learning_rate"], "it trains at that rate"
    assert "trial 0: 2 blocks, learning rate 0.003, sizes 2/2/2, probe/gap" in capfd.readouterr().out

    write_flow_file(tmp_path / "flow.yaml", choice)
    chosen = read_flow_file(tmp_path / "flow.yaml").candidate
    assert chosen.settings == settings[choice.chosen]
    final = chosen.applied(params)
    assert final.train == params.train.changed(learning_rate=settings[choice.chosen]["learning_rate"])
    assert final.flow == params.flow


def swept(tmp_path: Path, latents: Path, params: Params, name: str) -> tuple[bytes, FlowChoice, Path]:
    folder = tmp_path / name / "tune-latent-0123"
    choice = sweep(params, latents, Layout(("residual", "digit", "colour"), (4, 2, 2)), folder)
    write_flow_file(tmp_path / name / "flow.yaml", choice)
    return (tmp_path / name / "flow.yaml").read_bytes(), choice, folder


@pytest.mark.usefixtures("without_ray")
def test_the_size_of_a_pack_changes_no_byte(tmp_path, monkeypatch):
    latents = write_latents(tmp_path / "latents", num_dims=8)
    params = study(trials=4, num_blocks=(2,), scale=(0.5, 1.0, 1.5))
    contents, curves = [], []
    for most in (1, 2, 4):
        monkeypatch.setitem(MOST, "cpu", most)
        content, _, folder = swept(
            tmp_path, latents, params.changed(tune=params.tune.changed(concurrent=1)), f"of {most}"
        )
        contents.append(content)
        curves.append([path.read_bytes() for path in sorted(folder.glob(f"trials/*/{METRICS}"))])
    assert len(curves[0]) == 4
    assert contents[0] == contents[1] == contents[2]
    assert curves[0] == curves[1] == curves[2]


@pytest.mark.usefixtures("without_ray")
def test_a_trial_that_diverges_is_said_and_left_out_and_all_that_do_are_one_line(tmp_path, monkeypatch, capsys):
    latents = write_latents(tmp_path / "latents", num_dims=8)
    monkeypatch.setitem(SEARCHED, "learning_rate", "learning rate {}")
    tune = WiderTuneParams(trials=3, steps=10, num_blocks=(2,), scale=(1.0,), learning_rate=(1e30, 1e-2))
    params = study().changed(tune=tune)
    content, choice, folder = swept(tmp_path, latents, params, "one")
    lost = [trial for trial in range(3) if trial not in [kept.number for kept in choice.trials]]
    assert len(lost) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        f"trial {lost[0]}: 2 blocks, learning rate 1e+30, sizes 4/2/2: training diverged: pair_nats is nan at step 5; "
    )
    assert lines[0].endswith("; it is left out")
    assert [line[:8] for line in lines[1:]] == [f"trial {trial.number}:" for trial in choice.trials]
    assert b"1.0e+30" not in content
    before = {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")}
    assert swept(tmp_path, latents, params, "one")[:2] == (content, choice), "and not tried again"
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")}

    hopeless = params.changed(train=params.train.changed(learning_rate=1e30), tune=tune.changed(learning_rate=(1e31,)))
    with pytest.raises(
        InputError, match=r"^no trial is left: all 2 diverged; try a lower train.learning_rate or clip$"
    ):
        swept(tmp_path, latents, hopeless, "two")


def setups(params: Params, latents: Path, folder: Path) -> list[TrialSetup]:
    layouts = [Layout(("residual", "digit", "colour"), sizes) for sizes in ((4, 2, 2), (2, 2, 4), (2, 5, 1))]
    return [
        TrialSetup(number, FlowTaskConfig.of(params, latents, layout), params.train, folder / str(number))
        for number, layout in enumerate(layouts)
    ]


def test_a_pack_that_does_not_fit_is_halved_and_a_flow_that_does_not_is_one_line(tmp_path, monkeypatch):
    params = study().changed(train=study().train.changed(steps=5))
    latents = write_latents(tmp_path / "latents", num_dims=8)
    whole, said = run_pack(setups(params, latents, tmp_path / "whole"), CPU)
    assert said == []
    room, tried = 1, []

    def small(pack: FlowPack) -> list[str]:
        tried.append(len(pack.members))
        if len(pack.members) > room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return train_pack(pack)

    monkeypatch.setattr("pipeline.tuning.trial.train_pack", small)
    found, said = run_pack(setups(params, latents, tmp_path / "halved"), CPU)
    assert tried == [3, 1, 2, 1, 1]
    assert said == [
        f"{num} flows at once are too many for the memory of cpu; half of them fit, or fewer" for num in (3, 2)
    ]
    assert found == whole
    room = 0
    with pytest.raises(InputError, match=r"^machine.device: cpu has too little memory for one flow; "):
        run_pack(setups(params, latents, tmp_path / "none"), CPU)


def test_no_trials_pass_the_params_on_without_ray(latents, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.search.start_ray", None)
    choice = sweep(study(trials=0), latents, ESTIMATE, tmp_path / "tune-latent-0123")
    assert choice == FlowChoice(Candidate({"num_blocks": 2}, ESTIMATE), ESTIMATE.sizes, (), None)
    assert not list(tmp_path.iterdir())
    write_flow_file(tmp_path / "flow.yaml", choice)
    assert read_flow_file(tmp_path / "flow.yaml") == choice
