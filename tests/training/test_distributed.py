"""Real Ray Train: worker counts agree, and a killed worker or driver changes nothing of the outcome."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import ray
import torch
from ray.train import TrainingFailedError

from pipeline.basis import curves
from pipeline.cluster import start_ray
from pipeline.errors import InputError
from pipeline.params import MachineParams
from pipeline.training.distributed import Result, train_on_workers
from pipeline.training.loop import train
from pipeline.workers import launch

from .small_task import CONFIG, UNSTEADY, JudgedTask, SmallConfig, SmallTask

pytestmark = pytest.mark.usefixtures("importable")

DEADLINE = 120  # seconds; only a failure waits so long


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Result of one worker without a cluster."""
    run_folder = tmp_path_factory.mktemp("runs") / "small-0123"
    return train_on_workers(SmallTask, SmallConfig(), CONFIG, MachineParams(), run_folder)


@pytest.fixture(scope="module")
def ray_session(importable):  # noqa: ARG001
    """Address of a Ray whose workers can import the tests, which this process has joined."""
    with start_ray(MachineParams()):
        yield ray.get_runtime_context().gcs_address


@pytest.fixture
def on_a_cluster(ray_session, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", ray_session)


@pytest.fixture(params=["child", "cluster"])
def one_worker(request):
    """One worker wherever it may run."""
    if request.param == "cluster":
        request.getfixturevalue("on_a_cluster")
    return MachineParams()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def workers_left() -> list[int]:
    """Ids of the workers of Ray Train that this process's Ray still has."""
    below = psutil.Process().children(recursive=True)
    return [process.pid for process in below if "RayTrainWorker" in str(process.as_dict(["cmdline"])["cmdline"])]


def assert_same(found: Result, expected: Result) -> None:
    assert found.metrics == expected.metrics
    for name, value in expected.model.items():
        assert torch.equal(found.model[name], value), name


def test_the_outcome_is_that_of_the_loop_alone(undisturbed):
    torch.set_num_threads(1)
    task = SmallTask(SmallConfig(), torch.device("cpu"))
    train(task, CONFIG)
    for name, value in task.model.state_dict().items():
        assert torch.equal(undisturbed.model[name], value), name
    assert [json.loads(line)["step"] for line in undisturbed.metrics.splitlines()][-2:] == [40, 40]
    assert len(list(undisturbed.folder.path.glob("step-*"))) == 2, "the newest two checkpoints are kept"
    times = [json.loads(line) for line in (undisturbed.folder.path / "times.jsonl").read_text().splitlines()]
    assert len(times) == len(undisturbed.metrics.splitlines())
    assert "time" not in undisturbed.metrics


@pytest.mark.usefixtures("on_a_cluster")
def test_one_worker_of_a_cluster_gives_the_same(undisturbed, tmp_path):
    found = train_on_workers(SmallTask, SmallConfig(), CONFIG, MachineParams(), tmp_path / "small-0123")
    assert_same(found, undisturbed)


@pytest.mark.usefixtures("ray_session")
@pytest.mark.faults
def test_two_workers_of_which_one_is_killed_agree_with_one_to_rounding(undisturbed, tmp_path, capfd):
    both = train_beside_a_killer(MachineParams(workers=2), tmp_path, "all 2 start", capfd)
    assert both.folder.name == "gen-0001"
    one = [json.loads(line) for line in undisturbed.metrics.splitlines()]
    two = [json.loads(line) for line in both.metrics.splitlines()]
    assert [list(entry) for entry in two] == [list(entry) for entry in one]
    for entry, expected in zip(two, one, strict=True):
        assert entry == pytest.approx(expected, rel=1e-4)
    assert all(torch.allclose(both.model[name], value, atol=1e-5) for name, value in undisturbed.model.items())


@pytest.mark.usefixtures("ray_session")
def test_two_workers_end_together_as_the_best_step_which_is_said(tmp_path, capfd):
    result = train_on_workers(JudgedTask, SmallConfig(), UNSTEADY, MachineParams(workers=2), tmp_path / "small-0123")
    looks = {
        entry["step"]: entry["val/squared_error"]
        for entry in curves.entries(result.folder.path / curves.METRICS)
        if "val/squared_error" in entry
    }
    assert result.step == min(looks, key=looks.get)
    assert 0 < result.step < max(looks) < 80
    said = f"small: best at step {result.step} of 80, ended at step {max(looks)}, as none after it was better"
    assert said in capfd.readouterr().out
    task = JudgedTask(SmallConfig(), torch.device("cpu"))
    task.model.load_state_dict(result.model)
    assert task.validate()["squared_error"] == pytest.approx(looks[result.step], abs=1e-6)
    again = train_on_workers(JudgedTask, SmallConfig(), UNSTEADY, MachineParams(), tmp_path / "small-0123")
    assert_same(again, result)
    assert again.step == result.step


@pytest.mark.faults
def test_a_killed_worker_changes_nothing(undisturbed, tmp_path, one_worker, capfd):
    result = train_beside_a_killer(one_worker, tmp_path, "it starts", capfd)
    assert_same(result, undisturbed)
    assert result.folder.name == "gen-0001"


@contextmanager
def killed_where_it_holds(hold_file: Path) -> Iterator[None]:
    """Within the block the worker that holds, and says so in `hold_file`, is killed."""

    def kill() -> None:
        wait_for(hold_file.exists)
        os.kill(int(hold_file.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    yield
    killer.join()
    assert hold_file.exists()


def train_beside_a_killer(
    machine: MachineParams, tmp_path: Path, who: str, capfd: pytest.CaptureFixture[str]
) -> Result:
    hold_file = tmp_path / "held"
    task = SmallConfig(hold_at=25, hold_file=str(hold_file))
    with killed_where_it_holds(hold_file):
        result = train_on_workers(SmallTask, task, CONFIG, machine, tmp_path / "small-0123")
    out, err = capfd.readouterr()
    assert [line for line in out.splitlines() if not line.startswith("small")] == [
        f"a worker was lost: {who} anew, 1 of 3 times at most"
    ]
    assert err == ""
    return result


def killed_while_it_holds(run_folder: Path, hold_file: Path, storage: str = "") -> None:
    """A driver that is killed while its worker holds; when this returns, the worker is gone, too."""
    driver = subprocess.Popen([sys.executable, "-m", f"{__package__}.drive", str(run_folder), str(hold_file), storage])
    try:
        wait_for(lambda: hold_file.exists() or driver.poll() is not None)
        assert driver.poll() is None
        with pytest.raises(InputError, match=f"process {driver.pid} trains there"):
            train_on_workers(SmallTask, SmallConfig(), CONFIG, MachineParams(), run_folder)
        worker = int(hold_file.read_text())
        assert psutil.pid_exists(worker)
    finally:
        driver.kill()  # a failure above must not leave it waiting for good
        driver.wait()
    wait_for(lambda: not psutil.pid_exists(worker))


@pytest.mark.usefixtures("one_worker")
@pytest.mark.faults
def test_a_killed_driver_leaves_no_orphan_and_the_same_command_goes_on(undisturbed, tmp_path, capfd):
    run_folder, hold_file = tmp_path / "small-0123", tmp_path / "held"
    killed_while_it_holds(run_folder, hold_file)
    assert sorted(path.name for path in (run_folder / "gen-0001").glob("step-*")) == ["step-00000010", "step-00000020"]

    result = train_on_workers(SmallTask, SmallConfig(), CONFIG, MachineParams(), run_folder)
    assert "going on from step 20" in capfd.readouterr().out
    assert_same(result, undisturbed)
    record = json.loads((run_folder / "gen-0002" / "generation.json").read_text())
    assert record["resumes_from"][0] == "gen-0001/step-00000020"
    assert (run_folder / "metrics.jsonl").read_text() == undisturbed.metrics
    assert not list((run_folder / "gen-0001").glob("step-*"))

    again = train_on_workers(SmallTask, SmallConfig(), CONFIG, MachineParams(), run_folder)
    assert_same(again, undisturbed)


def test_a_wrong_input_met_by_a_worker_is_one_line_without_a_new_start(tmp_path, one_worker):
    with pytest.raises(InputError, match=r"^table\.parquet: no such column$"):
        train_on_workers(
            SmallTask,
            SmallConfig(ends="wrong input"),
            CONFIG,
            one_worker,
            tmp_path / "small-0123",
        )


@pytest.mark.usefixtures("ray_session")
@pytest.mark.parametrize(
    ("ends", "step", "error", "words"),
    [
        ("wrong input", None, InputError, r"^table\.parquet: no such column$"),
        ("wrong input", 25, InputError, r"^table\.parquet: no such column$"),
        ("memory", 25, InputError, r"^worker 1 of 2, cpu: too little memory for the training \(.*\); accepted are .*"),
        ("defect", 25, TrainingFailedError, r"(?s)Rank 1 .*Traceback.*KeyError: 'nothing'"),
    ],
)
@pytest.mark.faults
def test_what_one_worker_of_two_meets_ends_both_at_once(ends, step, error, words, tmp_path, capfd):
    """The other waits for it meanwhile, as it would for half an hour."""
    sign = tmp_path / "sign"
    task = SmallConfig(ends=ends, ends_at=step, of=1, hold_file=str(sign))
    with pytest.raises(error, match=words):
        train_on_workers(SmallTask, task, CONFIG, MachineParams(workers=2), tmp_path / "small-0123")
    assert time.time() - sign.stat().st_mtime < 20
    assert "anew" not in capfd.readouterr().out
    wait_for(lambda: not workers_left())


@pytest.mark.usefixtures("ray_session")
@pytest.mark.faults
def test_workers_that_are_killed_again_and_again_end_in_a_line(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(launch, "MAX_RESTARTS", 1)
    task = SmallConfig(ends="kill", ends_at=15, of=1)
    with pytest.raises(InputError, match=r"^a worker was lost 2 times, as when memory is short, .*; the same command"):
        train_on_workers(SmallTask, task, CONFIG, MachineParams(workers=2), tmp_path / "small-0123")
    assert capfd.readouterr().out.count("all 2 start anew") == 1
    wait_for(lambda: not workers_left())


@pytest.mark.usefixtures("ray_session")
@pytest.mark.faults
def test_a_full_disk_met_by_two_workers_is_one_line(tmp_path):
    run_folder = tmp_path / "small-0123"
    task = SmallConfig(fill_from=15)
    with pytest.raises(InputError, match=r"step-00000020: no space left") as error:
        train_on_workers(SmallTask, task, CONFIG, MachineParams(workers=2), run_folder)
    assert "\n" not in str(error.value)
    assert [path.name for path in (run_folder / "gen-0001").glob("*step-*")] == ["step-00000010"]


def test_more_workers_than_examples_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"machine\.workers: found 8, accepted are at most 7"):
        train_on_workers(SmallTask, SmallConfig(), CONFIG, MachineParams(workers=8), tmp_path / "small-0123")
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("s3")
@pytest.mark.faults
def test_in_a_store_another_machine_goes_on_where_a_killed_driver_stopped(undisturbed, tmp_path, capfd):
    machine = MachineParams(storage="s3://iin/runs")
    killed_while_it_holds(tmp_path / "here/small-0123", tmp_path / "held", machine.storage)
    found = train_on_workers(SmallTask, SmallConfig(), CONFIG, machine, tmp_path / "there/small-0123")
    assert_same(found, undisturbed)
    assert "going on from step 20" in capfd.readouterr().out
    for place in ("here", "there"):  # what a driver has for itself
        assert {path.name for path in (tmp_path / place / "small-0123").iterdir()} <= {
            "lock",
            "metrics.jsonl",
            "times.jsonl",
        }
    generations = found.folder.parent
    assert [generations.at(name).names() for name in generations.names()] == [[], ["step-00000030", "step-00000040"]]


@pytest.mark.usefixtures("ray_session")
@pytest.mark.faults
def test_in_a_store_two_workers_of_which_one_is_killed_end_as_in_a_folder(undisturbed, tmp_path, s3, capfd):
    host, url = s3.removeprefix("http://"), "s3://any:any@iin/of-two?scheme=http&region=us-east-1&endpoint_override="
    both = train_beside_a_killer(MachineParams(workers=2, storage=url + host), tmp_path, "all 2 start", capfd)
    assert all(torch.allclose(both.model[name], value, atol=1e-5) for name, value in undisturbed.model.items())
    assert (tmp_path / "small-0123/metrics.jsonl").read_text() == both.metrics
    assert both.folder.parent.names() == ["gen-0001"]
