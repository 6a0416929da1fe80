"""A tiny sweep through Ray Tune: what it tries, that two sweeps agree, and that a killed one goes on."""

from pathlib import Path

import pytest
from training.small_latents import NUM_DIMS, write_latents

from pipeline.basis.layout import Layout
from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.flow import FlowConfig
from pipeline.params import MachineParams, TuneParams
from pipeline.training.task import TrainConfig
from pipeline.tuning.flow_file import read_flow_file, write_flow_file
from pipeline.tuning.search import SweepConfig, sweep

ESTIMATE = Layout(("residual", "digit", "colour"), (2, 2, 2))


@pytest.fixture(scope="module")
def ray_session():
    with start_ray(MachineParams()) as resources:
        yield resources


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Path:
    return write_latents(tmp_path_factory.mktemp("latents"))


def config(latents: Path, **changes) -> SweepConfig:
    parts = {
        "latents": str(latents),
        "flow": FlowConfig(NUM_DIMS, num_blocks=2, width=8, depth=1),
        "estimate": ESTIMATE,
        "rho": 0.9,
        "train": TrainConfig(steps=10, batch_size=32, learning_rate=3e-3, seed=5, log_every=5, validate_every=10),
        "tune": TuneParams(trials=3, steps=10, concurrent=2, num_blocks=(1, 2), scale=(0.5, 1.0)),
    }
    return SweepConfig(**(parts | changes))


@pytest.mark.usefixtures("ray_session")
def test_two_sweeps_write_the_same_flow_file(latents, tmp_path, capfd):
    contents, choices = [], []
    for name in ("one", "two"):
        run_folder = tmp_path / name / "tune-latent-0123"
        choices.append(sweep(config(latents), MachineParams(), run_folder))
        write_flow_file(tmp_path / name / "flow.yaml", choices[-1])
        contents.append((tmp_path / name / "flow.yaml").read_bytes())
    assert contents[0] == contents[1]
    trials = choices[0].trials
    assert [trial.number for trial in trials] == [0, 1, 2]
    assert (trials[0].num_blocks, trials[0].sizes) == (2, (2, 2, 2)), "first the own number of blocks and the estimate"
    assert len({(trial.num_blocks, trial.sizes) for trial in trials}) > 1
    assert all(sum(trial.sizes) == NUM_DIMS for trial in trials)
    assert all(trial.gap_low <= trial.probe_gap <= trial.gap_high for trial in trials)
    assert len({trial.pair_nats for trial in trials}) > 1
    back = read_flow_file(tmp_path / "one" / "flow.yaml")
    assert (back.num_blocks, back.layout, back.chosen) == (
        choices[0].num_blocks,
        choices[0].layout,
        choices[0].chosen,
    )
    assert back.trials[0].pair_nats == pytest.approx(trials[0].pair_nats, abs=1e-6)
    output = capfd.readouterr()
    lines = [line for line in output.out.splitlines() if not line.startswith("tune latent  ")]
    assert [line[:8] for line in lines] == 2 * ["trial 0:", "trial 1:", "trial 2:"], "Ray itself says nothing"
    assert sum(line.endswith(", chosen") for line in lines) == 2
    assert output.err == ""

    kept = sorted((tmp_path / "one").glob("tune-latent-0123/trials/*/figures.json"))
    before = [path.stat().st_mtime_ns for path in kept]
    kept[0].unlink()  # as if the sweep had been killed in its last trial
    again = sweep(config(latents), MachineParams(), tmp_path / "one" / "tune-latent-0123")
    assert again == choices[0]
    assert [path.stat().st_mtime_ns for path in kept[1:]] == before[1:]


@pytest.mark.usefixtures("ray_session")
def test_a_wrong_input_met_in_a_trial_is_one_line(latents, tmp_path):
    foreign = config(latents, estimate=Layout(("residual", "digit", "smile"), (2, 2, 2)))
    with pytest.raises(InputError, match=r"concepts digit, colour and 6 dimensions, but the flow has digit, smile"):
        sweep(foreign, MachineParams(), tmp_path / "tune-latent-0123")


def test_no_trials_pass_the_params_on_without_ray(latents, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.search.start_ray", None)
    choice = sweep(config(latents, tune=TuneParams(trials=0)), MachineParams(), tmp_path / "tune-latent-0123")
    assert (choice.num_blocks, choice.layout, choice.trials, choice.chosen) == (2, ESTIMATE, (), None)
    assert not list(tmp_path.iterdir())
    write_flow_file(tmp_path / "flow.yaml", choice)
    assert read_flow_file(tmp_path / "flow.yaml") == choice
