"""A sweep that differs in what it tries takes the flows that another one has trained, and ends as if it had not."""

from pathlib import Path
from typing import Any

import pytest
from training.small_latents import write_latents

from pipeline.basis.curves import METRICS, entries
from pipeline.params import TuneParams
from pipeline.tuning.trial import CHOOSING

from .small_sweep import leave_ray_out, study, swept

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


def test_keys_that_shape_no_flow_are_all_but_its_steps_and_rungs() -> None:
    assert {f"tune.{key}" for key in TuneParams.model_fields} - set(CHOOSING) == {
        "tune.steps",
        "tune.early_stopping",
        "tune.reduction",
        "tune.least",
    }
