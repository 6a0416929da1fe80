"""The course of a sweep without Ray: what fails, what is halved, and that nothing depends on packs."""

from pathlib import Path
from typing import Any

import pytest
from training.small_latents import write_latents

from pipeline.basis.curves import METRICS, entries
from pipeline.errors import InputError
from pipeline.flow_pack import FlowPack
from pipeline.params import TuneParams
from pipeline.training.loop import train_pack
from pipeline.tuning.flow_file import Candidate, FlowChoice, read_flow_file, write_flow_file
from pipeline.tuning.packs import MOST
from pipeline.tuning.search import sweep

from .small_sweep import ESTIMATE, interrupted_after, leave_ray_out, study, swept


@pytest.fixture(scope="module")
def latents(tmp_path_factory) -> Path:
    return write_latents(tmp_path_factory.mktemp("latents"), num_dims=8)


@pytest.fixture
def without_ray(monkeypatch):
    leave_ray_out(monkeypatch)


@pytest.mark.usefixtures("without_ray")
def test_of_too_few_validation_rows_trials_go_by_nats_and_no_gap_is_said(tmp_path, capsys):
    few = write_latents(tmp_path / "latents", num_val=4)
    choice = sweep(study(trials=2), few, ESTIMATE, tmp_path / "tune-latent-0123", tmp_path / "trials")
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


@pytest.mark.usefixtures("without_ray")
def test_the_size_of_a_pack_changes_no_byte(latents, tmp_path, monkeypatch):
    params = study(trials=4, num_blocks=(2,), scale=(0.5, 1.0, 1.5))
    contents, curves = [], []
    for most in (1, 2, 4):
        monkeypatch.setitem(MOST, "cpu", most)
        content, _, folder = swept(
            tmp_path / f"of {most}", latents, params.changed(tune=params.tune.changed(concurrent=1))
        )
        contents.append(content)
        curves.append([path.read_bytes() for path in sorted(folder.glob(f"trials/*/{METRICS}"))])
    assert len(curves[0]) == 4
    assert contents[0] == contents[1] == contents[2]
    assert curves[0] == curves[1] == curves[2]


@pytest.mark.usefixtures("without_ray")
def test_a_trial_that_diverges_stands_in_the_table_and_all_that_do_are_one_line(latents, tmp_path, capsys):
    tune = TuneParams(trials=3, steps=10, num_blocks=(2,), scale=(1.0,), learning_rate=(1e30, 1e-2))
    params = study().changed(tune=tune)
    content, choice, folder = swept(tmp_path / "one", latents, params)
    (lost,) = (trial for trial in choice.trials if trial.failure)
    assert lost.candidate.settings["learning_rate"] == 1e30
    assert (lost.probe_gap, lost.behind_low, lost.pair_nats, lost.level) == (None, None, None, False)
    why = (
        "training diverged: pair_nats is nan at step 5; accepted are finite numbers, try a lower learning_rate or clip"
    )
    assert lost.failure == why
    lines = capsys.readouterr().out.splitlines()
    assert [line[:8] for line in lines] == ["trial 0:", "trial 1:", "trial 2:"]
    line = f"trial {lost.number}: 2 blocks, learning rate 1e+30, sizes 4/2/2: {why}; it is left out"
    assert lines[lost.number] == line
    assert f"failure: '{why}'" in " ".join(content.decode().split())
    before = {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")}
    assert swept(tmp_path / "one", latents, params)[:2] == (content, choice), "and not tried again"
    assert before == {path: path.stat().st_mtime_ns for path in folder.glob("trials/*/*")}

    hopeless = params.changed(train=params.train.changed(learning_rate=1e30), tune=tune.changed(learning_rate=(1e31,)))
    with pytest.raises(
        InputError, match=r"^no trial is left: each of 2 failed, and trial 0 \(2 blocks, .* as: training diverged: .*$"
    ):
        swept(tmp_path / "two", latents, hopeless)


@pytest.mark.usefixtures("without_ray")
def test_one_flow_that_meets_an_error_is_alone_to_be_lost_and_is_tried_again_the_next_time(
    latents, tmp_path, monkeypatch
):
    params = study(trials=4, num_blocks=(2,), scale=(0.5, 1.0, 1.5), concurrent=1)
    undisturbed, choice, _ = swept(tmp_path / "undisturbed", latents, params)
    broken, message = choice.trials[2].candidate.layout, "a defect\nof two lines"

    def defective(pack: FlowPack, *arguments: Any) -> list[str]:
        if any(member.task.config.layout == broken for member in pack.members):
            raise RuntimeError(message)
        return train_pack(pack, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.tuning.trial.train_pack", defective)
        _, found, folder = swept(tmp_path / "one", latents, params)
    assert [trial.failure for trial in found.trials] == ["", "", "unexpected RuntimeError: a defect of two lines", ""]
    ends = [(trial.probe_gap, trial.pair_nats) for trial in choice.trials]
    assert [(trial.probe_gap, trial.pair_nats) for trial in found.trials if not trial.failure] == ends[:2] + ends[3:]
    assert "RuntimeError: a defect" in (folder / "trials" / found.trials[2].candidate.name / "error.txt").read_text()
    assert swept(tmp_path / "one", latents, params)[0] == undisturbed


def test_no_trials_pass_the_params_on_without_ray(latents, tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.tuning.search.start_ray", None)
    choice = sweep(study(trials=0), latents, ESTIMATE, tmp_path / "tune-latent-0123", tmp_path / "trials")
    assert choice == FlowChoice(Candidate({"num_blocks": 2}, ESTIMATE), ESTIMATE.sizes, (), None)
    assert not list(tmp_path.iterdir())
    write_flow_file(tmp_path / "flow.yaml", choice)
    assert read_flow_file(tmp_path / "flow.yaml") == choice


HALVED = {"early_stopping": "halving", "reduction": 2, "least": 0.25}


@pytest.mark.usefixtures("without_ray")
def test_rungs_stop_flows_and_those_that_go_on_depend_on_no_pack_and_on_no_kill(latents, tmp_path, monkeypatch, capsys):
    params = study(trials=6, steps=20, num_blocks=(2,), scale=(0.5, 1.0, 1.5, 2.0), rho=(0.5,), concurrent=1, **HALVED)
    assert params.tune.rungs == (5, 10, 20)
    content, choice, folder = swept(tmp_path / "whole", latents, params)
    assert sorted(trial.stopped or 20 for trial in choice.trials) == [5, 5, 5, 10, 10, 20]
    (best,) = (trial for trial in choice.trials if trial.finished)
    assert choice.chosen == best.number
    assert choice.reason == "as it is the only trial that took all its steps"
    assert content.count(b"stopped: 5\n") == 3
    assert read_flow_file(tmp_path / "whole" / "flow.yaml").trials[best.number].finished
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.endswith(", stopped at step 10") for line in lines) == 2
    curve = {trial.number: entries(folder / "trials" / trial.candidate.name / METRICS) for trial in choice.trials}
    assert {number: line[-1]["step"] for number, line in curve.items()} == {
        trial.number: trial.stopped or 20 for trial in choice.trials
    }
    assert [entry["step"] for entry in curve[best.number] if "val/probe_gap" in entry] == [0, 5, 10, 20]
    at_first_rung = {
        number: max(entry["val/probe_gap"] for entry in line if "val/probe_gap" in entry and entry["step"] <= 5)
        for number, line in curve.items()
    }
    assert at_first_rung[best.number] > min(at_first_rung.values())
    assert not list(folder.glob("trials/*/step-*")), "states are gone once a generation has ended"

    monkeypatch.setitem(MOST, "cpu", 1)
    assert swept(tmp_path / "alone", latents, params)[0] == content
    monkeypatch.setitem(MOST, "cpu", 2)
    starts = 0
    while True:
        with monkeypatch.context() as patched:
            patched.setattr("tuning.small_sweep.run_pack", interrupted_after(2))
            starts += 1
            try:
                found = swept(tmp_path / "killed", latents, params)
            except KeyboardInterrupt:
                continue
        break
    assert starts == 3, "six packs, of rungs of 6, 3 and 1 flows"
    assert found[0] == content
    assert [trial.probe_gap for trial in found[1].trials] == [trial.probe_gap for trial in choice.trials]


@pytest.mark.usefixtures("without_ray")
def test_where_all_that_went_on_fail_the_next_best_do(latents, tmp_path, monkeypatch):
    params = study(trials=4, steps=20, num_blocks=(2,), scale=(0.5, 1.0, 1.5), concurrent=1, **HALVED | {"least": 0.5})
    _, choice, _ = swept(tmp_path / "whole", latents, params)
    ended = [trial.number for trial in choice.trials if trial.finished]
    assert len(ended) == 2

    def failing(pack: FlowPack, keep: Any, resume: Any, until: int | None) -> list[str]:
        failures = train_pack(pack, keep, resume, until)
        layouts = [choice.trials[number].candidate.layout for number in ended]
        late = ["" if until or member.task.config.layout not in layouts else "lost" for member in pack.members]
        return [failure or other for failure, other in zip(failures, late, strict=True)]

    monkeypatch.setattr("pipeline.tuning.trial.train_pack", failing)
    _, found, _ = swept(tmp_path / "one", latents, params)
    assert [trial.number for trial in found.trials if trial.failure == "lost"] == ended
    assert sorted(trial.number for trial in found.trials if trial.finished) == sorted({0, 1, 2, 3} - set(ended))


@pytest.mark.usefixtures("without_ray")
def test_tpe_learns_between_generations_whatever_the_packs(latents, tmp_path, monkeypatch):
    params = study(trials=8, generation=4, search="tpe", sizes="simplex", learning_rate=(1e-5, 1e-2), steps=5)
    contents = []
    for most, concurrent in ((8, 1), (1, 3)):
        monkeypatch.setitem(MOST, "cpu", most)
        own = params.changed(tune=params.tune.changed(concurrent=concurrent))
        contents.append(swept(tmp_path / str(most), latents, own)[0])
    assert contents[0] == contents[1]
    tried = read_flow_file(tmp_path / "8" / "flow.yaml").trials
    assert len({trial.candidate.name for trial in tried}) == 8
    assert all(trial.candidate.layout.num_dims == 8 for trial in tried)
    at_random = swept(tmp_path / "random", latents, params.changed(tune=params.tune.changed(search="random")))[1].trials
    same = [one.candidate == other.candidate for one, other in zip(tried, at_random, strict=True)]
    assert same[:4] == [True] * 4
    assert not all(same[4:])


class Clock:
    def __init__(self, folder: Path) -> None:
        self.folder, self.started = folder, 0

    def __call__(self) -> float:
        """A minute for each flow that has ended since it was made."""
        return 60.0 * (len(list(self.folder.glob("trials/*/figures.json"))) - self.started)


@pytest.mark.usefixtures("without_ray")
def test_after_its_minutes_no_generation_begins_and_those_that_were_begun_end(latents, tmp_path, monkeypatch, capsys):
    params = study(trials=6, steps=5, generation=2, minutes=3.0, scale=(0.5, 1.0, 1.5))
    clock = Clock(tmp_path / "tune-latent-0123")
    monkeypatch.setattr("pipeline.tuning.course.Course.__init__.__defaults__", (None, clock), raising=True)
    content, choice, folder = swept(tmp_path, latents, params)
    assert [trial.number for trial in choice.trials] == [0, 1, 2, 3]
    assert choice.not_begun == 2
    assert b"not_begun: 2\n" in content
    assert read_flow_file(tmp_path / "flow.yaml").not_begun == 2
    assert "tune.minutes: 2 of 6 trials were not begun" in capsys.readouterr().out
    (folder / "trials" / choice.trials[3].candidate.name / "figures.json").unlink()  # as if killed in its last pack
    clock.started = 3
    assert swept(tmp_path, latents, params)[:2] == (content, choice)


@pytest.mark.usefixtures("without_ray")
def test_a_grid_tries_all_combinations_or_says_that_it_does_not(latents, tmp_path, capsys):
    sizes = ((4, 2, 2), (2, 3, 3))
    params = study(trials=4, steps=5, search="grid", num_blocks=(1,), sizes=sizes)
    _, choice, _ = swept(tmp_path / "all", latents, params)
    tried = [(trial.candidate.settings["num_blocks"], trial.candidate.layout.sizes) for trial in choice.trials]
    assert tried == [(2, (4, 2, 2)), (1, (4, 2, 2)), (1, (2, 3, 3)), (2, (2, 3, 3))]
    line = "tune.trials: of the combinations of the grid the first 3 are tried"
    assert line not in capsys.readouterr().out
    _, fewer, _ = swept(tmp_path / "some", latents, params.changed(tune=params.tune.changed(trials=3)))
    assert line in capsys.readouterr().out
    assert [trial.candidate for trial in fewer.trials] == [trial.candidate for trial in choice.trials][:3]
