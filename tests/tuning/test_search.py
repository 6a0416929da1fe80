"""A tiny sweep through Ray Tune: what it tries, that two sweeps agree, and that a killed one goes on."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from training.small_latents import NUM_DIMS, write_latents

from pipeline.basis.curves import METRICS, entries
from pipeline.basis.layout import Layout
from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.params import MachineParams, TuneParams
from pipeline.progress import note
from pipeline.tuning import ray_packs
from pipeline.tuning.flow_file import Candidate, read_flow_file, write_flow_file
from pipeline.tuning.packs import MOST
from pipeline.tuning.search import sweep

from .small_sweep import CLIMBING, ESTIMATE, leave_ray_out, study, swept

pytestmark = pytest.mark.usefixtures("importable")


@pytest.fixture(scope="module")
def ray_session(importable):  # noqa: ARG001
    with start_ray(MachineParams()) as resources:
        yield resources


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Path:
    return write_latents(tmp_path_factory.mktemp("latents"))


@pytest.mark.usefixtures("ray_session")
def test_two_sweeps_write_the_same_flow_file(latents, tmp_path, capfd):
    contents, choices = [], []
    for name in ("one", "two"):
        run_folder = tmp_path / name / "tune-latent-0123"
        choices.append(sweep(study(), latents, ESTIMATE, run_folder, run_folder / "trials"))
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
    assert sweep(study(), latents, ESTIMATE, kept[0].parents[2], kept[0].parents[1]) == choices[0]
    assert [path.stat().st_mtime_ns for path in kept[1:]] == before[1:]


@pytest.mark.usefixtures("ray_session")
def test_a_wrong_input_met_in_a_trial_is_one_line(latents, tmp_path):
    foreign = Layout(("residual", "digit", "smile"), (2, 2, 2))
    with pytest.raises(InputError) as caught:
        sweep(study(), latents, foreign, tmp_path / "tune-latent-0123", tmp_path / "trials")
    assert str(caught.value) == (
        f"no trial is left: each of 3 failed, and trial 0 (2 blocks, sizes 2/2/2) as: {latents}: concepts digit, "
        "colour and 6 dimensions, but the flow has digit, smile and 6, in factors of [2, 2, 2]"
    )


@pytest.mark.usefixtures("ray_session")
def test_a_searched_learning_rate_reaches_the_trials_and_the_training(latents, tmp_path, capfd):
    tune = TuneParams(trials=3, steps=10, num_blocks=(2,), scale=(1.0,), learning_rate=(1e-4, 1e-2))
    params = study().changed(tune=tune, train=study().train.changed(schedule="constant"))
    choice = sweep(params, latents, ESTIMATE, tmp_path / "tune-latent-0123", tmp_path / "trials")
    settings = [trial.candidate.settings for trial in choice.trials]
    assert settings[0] == {"num_blocks": 2, "learning_rate": 3e-3}, "the params' own"
    assert sorted(row["learning_rate"] for row in settings) == [1e-4, 3e-3, 1e-2]
    for trial in choice.trials:
        curve = entries(tmp_path / "trials" / trial.candidate.name / METRICS)
        assert curve[1]["train/learning_rate"] == trial.candidate.settings["learning_rate"], "it trains at that rate"
    assert "trial 0: 2 blocks, learning rate 0.003, sizes 2/2/2, probe/gap" in capfd.readouterr().out

    write_flow_file(tmp_path / "flow.yaml", choice)
    chosen = read_flow_file(tmp_path / "flow.yaml").candidate
    assert chosen.settings == settings[choice.chosen]
    final = chosen.applied(params)
    assert final.train == params.train.changed(learning_rate=settings[choice.chosen]["learning_rate"])
    assert final.flow == params.flow


def _of_packs(driver: int) -> list[psutil.Process]:
    """Processes of Ray that run packs; the folder that each works in bears its flows' names."""
    return [each for each in psutil.Process(driver).children(recursive=True) if "ImplicitFunc" in each.name()]


@pytest.mark.usefixtures("ray_session")
@pytest.mark.faults
def test_a_kill_of_the_process_of_trial_0_changes_no_byte_of_the_flow_file(latents, tmp_path, monkeypatch, capfd):
    """Ray moves what it starts anew behind the others, and gives its result last."""
    monkeypatch.setitem(MOST, "cpu", 2)
    params = study(trials=4, num_blocks=(2,), scale=(0.5, 1.0, 1.5), steps=300)
    undisturbed, _, folder = swept(tmp_path / "undisturbed", latents, params, ESTIMATE)
    first = tmp_path / "killed" / folder.name / "trials" / "num_blocks-2-sizes-2-2-2" / METRICS
    killed: list[str] = []

    def kill() -> None:
        while not (first.is_file() and "train/" in first.read_text() and len(running := _of_packs(os.getpid())) == 2):
            time.sleep(0.02)
        (process,) = (each for each in running if "number_0_" in each.cwd())
        killed.append(process.cwd())
        process.kill()

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    capfd.readouterr()
    found, choice, _ = swept(tmp_path / "killed", latents, params, ESTIMATE)
    lines = [line for line in capfd.readouterr().out.splitlines() if not line.startswith(("trial ", "tune latent"))]
    assert lines == ["the process of trials 0, 1 was lost: it starts anew"]
    killer.join(timeout=5)
    assert len(killed) == 1
    assert found == undisturbed
    assert [trial.number for trial in choice.trials] == [0, 1, 2, 3]


def deadly(drawn: dict[str, Any], **common: Any) -> None:
    """Trial 1 ends its process."""
    if any(flow["number"] == 1 for flow in drawn["flows"]):
        os.kill(os.getpid(), signal.SIGKILL)
    TRY_FLOWS(drawn, **common)


TRY_FLOWS = ray_packs.try_flows


@pytest.mark.usefixtures("ray_session")
@pytest.mark.faults
def test_a_flow_that_ends_its_process_is_alone_to_be_lost(latents, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_packs, "MAX_RESTARTS", 0)
    params = study(trials=3, num_blocks=(2,), scale=(0.5, 1.0, 1.5), concurrent=1)
    with monkeypatch.context() as patched:
        patched.setattr(ray_packs, "try_flows", deadly)
        content, choice, _ = swept(tmp_path, latents, params, ESTIMATE)
    assert [trial.failure for trial in choice.trials] == ["", ray_packs.KILLED, ""]
    assert read_flow_file(tmp_path / "flow.yaml").trials[1] == choice.trials[1]
    again, whole, _ = swept(tmp_path, latents, params, ESTIMATE)
    assert again != content
    assert [trial.failure for trial in whole.trials] == ["", "", ""], "it is tried anew by the next sweep"


def noting(drawn: dict[str, Any], **common: Any) -> None:
    """Each pack has something to say."""

    def run_pack(*arguments: Any) -> Any:
        note("of a pack")
        return RUN_PACK(*arguments)

    ray_packs.run_pack = run_pack  # of this worker
    TRY_FLOWS(drawn, **common)


RUN_PACK = ray_packs.run_pack


@pytest.mark.usefixtures("ray_session")
def test_what_a_pack_notes_is_said(latents, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(ray_packs, "try_flows", noting)
    swept(tmp_path, latents, study(trials=1, num_blocks=(2,), scale=(1.0,), concurrent=1), ESTIMATE)
    assert capfd.readouterr().err == "note: of a pack\n"


@pytest.mark.usefixtures("ray_session")
def test_rungs_and_generations_by_ray_are_those_of_one_process(latents, tmp_path, monkeypatch):
    content, choice, folder = swept(tmp_path / "ray", latents, CLIMBING, ESTIMATE)
    assert sorted(trial.stopped or 12 for trial in choice.trials) == [4, 4, 4, 4, 12, 12]
    assert not list(folder.glob("trials/*/step-*"))
    leave_ray_out(monkeypatch)
    assert swept(tmp_path / "one", latents, CLIMBING, ESTIMATE)[0] == content


@pytest.mark.faults
def test_a_driver_that_is_killed_goes_on_from_the_rung_where_it_stood(latents, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        leave_ray_out(patched)
        undisturbed = swept(tmp_path / "one", latents, CLIMBING, ESTIMATE)[0]
    command = [sys.executable, "-m", f"{__package__}.small_sweep", str(tmp_path / "killed"), str(latents)]
    trials = tmp_path / "killed" / "tune-latent-0123" / "trials"
    driver = subprocess.Popen(command)
    try:
        while len(list(trials.glob("*/figures-00000004.json"))) < 3 and driver.poll() is None:
            time.sleep(0.02)
        running = _of_packs(driver.pid)
    finally:
        driver.kill()
        driver.wait()
    assert running
    assert psutil.wait_procs(running, timeout=60)[1] == []
    assert not list(trials.glob("*/figures.json")), "no flow had taken all its steps"
    before = {path: path.stat().st_mtime_ns for path in trials.glob("*/figures-00000004.json")}
    subprocess.run(command, check=True)
    assert (tmp_path / "killed" / "flow.yaml").read_bytes() == undisturbed
    assert {path: path.stat().st_mtime_ns for path in before} == before, "what was finished is not trained again"
