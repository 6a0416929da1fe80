"""A sweep that differs in what it tries takes the flows that another one has trained, and ends as if it had not."""

from pathlib import Path
from typing import Any

import pytest
from training.small_latents import write_latents

from pipeline.basis.curves import METRICS, entries
from pipeline.params import TuneParams
from pipeline.storage import remote
from pipeline.tuning.packs import MOST
from pipeline.tuning.trial import CHOOSING

from .small_sweep import interrupted_after, leave_ray_out, study, swept

HALVED = {"early_stopping": "halving", "reduction": 2, "least": 0.25}


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latents(tmp_path_factory.mktemp("latents"), num_dims=8)


@pytest.mark.parametrize(
    "tune",
    [
        {"search": "random"},
        {"search": "grid"},
        {"search": "tpe", "generation": 3, "sizes": "simplex"},
    ],
    ids=lambda tune: tune["search"],
)
def test_a_raised_number_of_trials_goes_on_with_those_that_are_there(
    tune: dict[str, Any], latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_ray_out(monkeypatch)
    few, more = (study(trials=trials, steps=5, scale=(0.5, 1.0, 1.5), rho=(0.5,), **tune) for trials in (3, 6))
    undisturbed, choice, _ = swept(tmp_path / "fresh", latents, more)
    _, first, folder = swept(tmp_path / "one", latents, few)
    assert [trial.candidate for trial in first.trials] == [trial.candidate for trial in choice.trials[:3]]
    kept = {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/figures.json")}
    assert len(kept) == 3
    assert swept(tmp_path / "one", latents, more)[0] == undisturbed
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


def test_a_flow_that_goes_on_since_more_are_tried_stops_at_the_rungs_before(
    latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its state is gone, so that it begins anew; each rung's look may find its best step."""
    leave_ray_out(monkeypatch)
    few, more = (study(trials=trials, steps=20, scale=(0.5, 1.0, 1.5), rho=(0.5,), **HALVED) for trials in (5, 6))
    undisturbed, choice, _ = swept(tmp_path / "fresh", latents, more)
    _, first, folder = swept(tmp_path / "one", latents, few)
    assert swept(tmp_path / "one", latents, more)[0] == undisturbed
    (goes_on,) = (
        before.number
        for before, trial in zip(first.trials, choice.trials, strict=False)
        if before.stopped == 5 != trial.stopped
    )
    curve = entries(folder / "trials" / choice.trials[goes_on].candidate.name / METRICS)
    assert [entry["step"] for entry in curve if "val/probe_gap" in entry] == [0, 5, 10]


def test_a_driver_on_another_machine_finds_in_the_store_what_one_that_was_killed_had_finished(
    latents: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], s3: str
) -> None:
    """Rungs and all steps; what the second one trains itself it trains as if nothing were there."""
    assert s3
    leave_ray_out(monkeypatch)
    monkeypatch.setitem(MOST, "cpu", 2)
    params = study(trials=4, steps=20, scale=(0.5, 1.0, 1.5), rho=(0.5,), num_blocks=(2,), concurrent=1, **HALVED)
    undisturbed = swept(tmp_path / "fresh", latents, params)[0]
    stored = params.changed(machine=params.machine.changed(storage="s3://iin/runs"))
    trained: list[tuple[int, int | None]] = []
    monkeypatch.setattr("tuning.small_sweep.run_pack", interrupted_after(3, trained))
    with pytest.raises(KeyboardInterrupt):  # in the last of its packs: of rungs of 4, 2 and 1 flows
        swept(tmp_path / "here", latents, stored)
    assert [until for _, until in trained] == [5, 5, 5, 5, 10, 10]
    before = trained.copy()
    monkeypatch.setattr("tuning.small_sweep.run_pack", interrupted_after(9, trained))
    assert swept(tmp_path / "there", latents, stored)[0] == undisturbed
    assert [until for _, until in trained[len(before) :]] == [None], "the rungs were found"

    monkeypatch.setattr(remote, "PATIENCE", 0.0)
    capsys.readouterr()
    away = stored.changed(machine=stored.machine.changed(storage="s3://none/runs"))
    assert swept(tmp_path / "away", latents, away)[0] == undisturbed
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("s3://none/")]
    assert line.endswith(
        f"; the sweep goes on, and what it finds from now on stays in {tmp_path}/away/tune-latent-0123/trials"
    )


def test_keys_that_shape_no_flow_are_all_but_its_steps_and_rungs() -> None:
    assert {f"tune.{key}" for key in TuneParams.model_fields} - set(CHOOSING) == {
        "tune.steps",
        "tune.early_stopping",
        "tune.reduction",
        "tune.least",
    }
