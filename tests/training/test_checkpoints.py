"""Generations of checkpoints on disk: what is taken, what is passed over, what a full disk leaves."""

import os
import resource
import subprocess
import sys

import pytest
import torch

from pipeline.basis import curves
from pipeline.errors import InputError
from pipeline.storage.folder import Folder
from pipeline.training import distributed
from pipeline.training.checkpoints import (
    Generation,
    drop_older,
    locked,
    newest_checkpoint,
    read_checkpoint,
    start_generation,
    write_checkpoint,
)


def state(step: int, size: int = 3) -> dict:
    members = [{"model": {"w": torch.full((size,), float(step))}}]
    return {"step": step, "members": members, "optimiser": {"state": {}}}


def test_a_state_is_read_back(tmp_path):
    path = write_checkpoint(Folder(tmp_path), state(20))
    assert read_checkpoint(path)["step"] == 20
    assert torch.equal(read_checkpoint(path)["members"][0]["model"]["w"], torch.full((3,), 20.0))


def test_the_newest_two_of_a_generation_stay(tmp_path):
    paths = [write_checkpoint(Folder(tmp_path), state(step)) for step in (10, 20, 30, 40)]
    assert [Folder(path) for path in sorted(tmp_path.iterdir())] == paths[2:]


class _Unlisted(Folder):
    """A store that may be asked for what is in it by rank 0 alone."""

    def names(self) -> list[str]:
        raise AssertionError("it was listed")


def test_of_several_workers_the_first_alone_lists_the_checkpoints(tmp_path, monkeypatch):
    write_checkpoint(Folder(tmp_path), state(20))
    monkeypatch.setattr(distributed, "from_rank_0", lambda value: value)
    found = {}
    for rank, folder in enumerate((Folder(tmp_path), _Unlisted(tmp_path))):
        monkeypatch.setattr(distributed, "rank_and_world", lambda rank=rank: (rank, 2))
        found[rank] = distributed._begins_from(Generation(folder, None, 0))
    assert found == {0: Folder(tmp_path / "step-00000020"), 1: None}, "which it is then given"


def test_a_first_generation_begins_at_step_0(tmp_path):
    generation = start_generation(Folder(tmp_path))
    assert (generation.folder, generation.resume, generation.step) == (Folder(tmp_path / "gen-0001"), None, 0)


def test_the_next_generation_goes_on_from_the_newest(tmp_path):
    first = start_generation(Folder(tmp_path))
    for step in (10, 20, 30):
        write_checkpoint(first.folder, state(step))
        curves.append(first.folder, {"step": step, "train/loss": 1.0})
    curves.append(first.folder, {"step": 35, "train/loss": 2.0})
    half_removed = first.folder.path / ".step-00000010.tmp"
    half_removed.mkdir()
    second = start_generation(Folder(tmp_path))
    assert (second.folder.name, second.step) == ("gen-0002", 30)
    assert not half_removed.exists()
    assert second.resume == first.folder.at("step-00000030")
    assert [entry["step"] for entry in curves.entries(second.folder.path / "metrics.jsonl")] == [10, 20, 30]
    assert [path.name for path in sorted(first.folder.path.glob("step-*"))] == ["step-00000020", "step-00000030"]


def test_a_checkpoint_that_an_older_generation_writes_late_is_never_taken(tmp_path):
    first = start_generation(Folder(tmp_path))
    write_checkpoint(first.folder, state(10))
    second = start_generation(Folder(tmp_path))
    write_checkpoint(first.folder, state(500))  # an orphan of the first driver
    third = start_generation(Folder(tmp_path))
    assert third.resume == second.resume == first.folder.at("step-00000010")
    write_checkpoint(third.folder, state(20))
    write_checkpoint(second.folder, state(900))
    assert start_generation(Folder(tmp_path)).resume == third.folder.at("step-00000020")


@pytest.mark.parametrize("damage", ["cut", "no card", "empty card", "no state"])
@pytest.mark.faults
def test_a_damaged_newest_checkpoint_is_passed_over_with_one_line(tmp_path, capsys, damage):
    first = start_generation(Folder(tmp_path))
    write_checkpoint(first.folder, state(10))
    newest = write_checkpoint(first.folder, state(20)).path
    content = (newest / "state.pt").read_bytes()
    if damage == "cut":
        (newest / "state.pt").write_bytes(content[: len(content) // 2])
    elif damage == "empty card":
        (newest / "checkpoint.json").write_text("")
    else:
        (newest / {"no card": "checkpoint.json", "no state": "state.pt"}[damage]).unlink()
    second = start_generation(Folder(tmp_path))
    assert second.step == 10
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert str(newest) in lines[0]


def test_where_all_are_damaged_a_run_begins_anew(tmp_path, capsys):
    first = start_generation(Folder(tmp_path))
    (write_checkpoint(first.folder, state(10)).path / "state.pt").write_bytes(b"")
    assert start_generation(Folder(tmp_path)).step == 0
    assert "passed over" in capsys.readouterr().out


def test_older_checkpoints_go_once_a_generation_has_its_own(tmp_path):
    first = start_generation(Folder(tmp_path))
    write_checkpoint(first.folder, state(10))
    second = start_generation(Folder(tmp_path))
    drop_older(Folder(tmp_path), second)
    assert newest_checkpoint(first.folder) is not None
    write_checkpoint(second.folder, state(20))
    drop_older(Folder(tmp_path), second)
    assert newest_checkpoint(first.folder) is None
    assert newest_checkpoint(second.folder) == second.folder.at("step-00000020")


@pytest.mark.faults
def test_a_full_disk_is_one_line_and_leaves_the_earlier_checkpoint(tmp_path):
    earlier = write_checkpoint(Folder(tmp_path), state(10))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))  # a write past it fails, as Python ignores the signal
    try:
        with pytest.raises(InputError, match=r"step-00000020: no space left") as error:
            write_checkpoint(Folder(tmp_path), state(20, size=100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == [earlier.name]
    assert read_checkpoint(earlier)["step"] == 10


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny disk needs root")
@pytest.mark.faults
def test_a_truly_full_disk_is_one_line(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("this root may not mount")
    try:
        write_checkpoint(Folder(disk), state(10))
        with pytest.raises(InputError, match="no space left"):
            write_checkpoint(Folder(disk), state(20, size=100_000))
        assert [path.name for path in disk.iterdir()] == ["step-00000010"]
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_second_driver_is_refused_with_the_first_ones_process_id(tmp_path):
    code = (
        "import sys; from pathlib import Path; from pipeline.training.checkpoints import locked\n"
        "with locked(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {first.pid} trains there"), locked(tmp_path):
            pass
        first.kill()
        first.wait()
    with locked(tmp_path):
        assert (tmp_path / "lock").read_text() == str(os.getpid())


def test_an_unfinished_last_line_of_the_curves_is_dropped(tmp_path):
    curves.append(Folder(tmp_path), {"step": 10, "train/loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 2')
    curves.cut(Folder(tmp_path), 100)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 10, "train/loss": 1.0}\n'


def test_held_out_losses_stand_beside_those_of_training_and_the_last_line_has_its_own(tmp_path, capsys):
    (tmp_path / "seen").mkdir()
    show = distributed._shows_entries("train latent", Generation(Folder(tmp_path), None, 0), 20, tmp_path / "seen")
    rates = {"train/gradient_norm": 3.0, "train/learning_rate": 0.01}

    def log_and_show(entry: dict[str, float]) -> str:
        curves.append(Folder(tmp_path), entry)
        show()
        return capsys.readouterr().out

    first = log_and_show({"step": 10, "train/pair_nats": 200.0, **rates})
    assert first.startswith("train latent  10/20 steps  pair_nats 200")
    assert "held-out" not in first
    assert log_and_show({"step": 10, "val/pair_nats": 967.0, "val/bits_per_dim": 2.0}) == ""
    assert log_and_show({"step": 20, "train/pair_nats": 135.0, **rates}) == ""
    last = log_and_show({"step": 20, "val/pair_nats": 970.0, "val/bits_per_dim": 2.0})
    assert last.startswith("train latent  20/20 steps  pair_nats 135  held-out pair_nats 970  ")
