"""A node's copy of latents: the same rows and the same training as from memory, made once, gone with its last user."""

import os
import re
import signal
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from training.small_latents import small_flow, write_latents

from pipeline import node_copy
from pipeline.errors import InputError
from pipeline.files import write_json
from pipeline.flow_task import FlowTask, FlowTaskConfig, flow_setup
from pipeline.machine import memory_budget, node_memory
from pipeline.node_copy import how_read, node_latents
from pipeline.pairing.moments import latent_moments, node_moments
from pipeline.params import MachineParams, Optimisation, Params
from pipeline.tables.latents import Latents, load_latents
from pipeline.tables.parquet import metadata_of, read_table, write_table
from pipeline.tables.stored import StoredRows
from pipeline.training.loop import train
from pipeline.tuning.estimate import spectrum_to_try

CPU = torch.device("cpu")
TINY = 1e-9  # GB: one byte, which no table fits
USER = """
import sys, time
from pathlib import Path
from pipeline.node_copy import node_latents
from pipeline.params import MachineParams
latents = node_latents(Path(sys.argv[1]), MachineParams(cache=sys.argv[2]))
print(len(latents[0]), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_latents(tmp_path_factory.mktemp("table"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def with_jitter(folder: Path) -> Path:
    write_latents(folder)
    write_json(folder / "card.json", {"noise": "jitter", "jitter": 0.1, "std": [1.0] * 6, "constant": [2]})
    return folder


@pytest.mark.parametrize("budget", [None, TINY])
@pytest.mark.parametrize("jitter", [False, True])
def test_the_rows_are_those_in_memory(tmp_path: Path, cache: Path, *, budget: float | None, jitter: bool) -> None:
    folder = with_jitter(tmp_path / "table") if jitter else write_latents(tmp_path / "table")
    splits = node_latents(folder, MachineParams(cache=str(cache), memory_budget=budget))
    for found, split in zip(splits, ("train", "val"), strict=True):
        expected = load_latents(folder, split)
        assert isinstance(found.mean, StoredRows) == (budget is not None)
        assert found.num_dims == expected.num_dims == (5 if jitter else 6)
        for part in ("id", "original", "mean", "scale", "kept"):
            assert np.array_equal(getattr(found, part)[:], getattr(expected, part)), part
        for part in ("labels", "values"):
            mine, theirs = getattr(found, part), getattr(expected, part)
            assert list(mine) == list(theirs)
            assert all(np.array_equal(mine[name], theirs[name]) for name in theirs)
        assert (found.cut, found.layer, len(found)) == (expected.cut, expected.layer, len(expected))
        rows = np.array([7, 3, 3, 59])
        draws = [latents.draw(np.random.default_rng(0), rows) for latents in (found, expected)]
        assert np.array_equal(*draws)
        draws = [latents.draw(np.random.default_rng(0)) for latents in (found, expected)]
        assert np.array_equal(*draws)


def test_stored_rows_are_indexed_as_an_array_is(tmp_path: Path) -> None:
    array = np.arange(30, dtype=np.float32).reshape(10, 3)
    array.tofile(tmp_path / "rows")
    rows = StoredRows(tmp_path / "rows", 3)
    (tmp_path / "rows").unlink()
    for index in (slice(None), slice(2, 5), slice(5, 2), slice(1, 99, 4), np.array([9, 0, 9]), np.array([], np.int64)):
        assert np.array_equal(rows[index], array[index])
    assert (rows.shape, len(rows), rows[:].dtype) == ((10, 3), 10, np.float32)
    with pytest.raises(IndexError, match="row 10 is asked for, of 10"):
        rows[np.array([10])]


def trained(config: FlowTaskConfig) -> dict[str, torch.Tensor]:
    torch.set_num_threads(1)
    task = FlowTask(config, CPU)
    train(task, Optimisation(steps=12, batch_size=33, learning_rate=5e-3, validate_every=6))
    return task.model.state_dict()


@pytest.mark.parametrize("jitter", [False, True])
def test_weights_are_the_same_bits_whether_rows_are_mapped_or_read(
    tmp_path: Path, cache: Path, *, jitter: bool
) -> None:
    config = small_flow(tmp_path)
    if jitter:
        write_json(tmp_path / "card.json", {"noise": "jitter", "jitter": 0.1, "std": [1.0] * 6})
    machines = [MachineParams(cache=str(cache), memory_budget=budget) for budget in (None, TINY)]
    mapped, read = (trained(replace(config, machine=machine)) for machine in machines)
    for name, value in mapped.items():
        assert torch.equal(read[name], value), name


def test_a_graph_is_captured_only_where_all_rows_are_on_the_device(tmp_path: Path, cache: Path) -> None:
    config = small_flow(tmp_path)
    for budget, on_device in ((None, True), (TINY, False)):
        machine = MachineParams(cache=str(cache), memory_budget=budget)
        assert FlowTask(replace(config, machine=machine), CPU).on_device == on_device


def test_moments_in_blocks_are_those_of_all_rows(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks cut originals and values in two; a graded concept is paired, too."""
    latents = replace(load_latents(table, "train"), graded={"colour": 0.3})
    monkeypatch.setattr("pipeline.pairing.sampler.MOMENT_PAIRS", 500)
    whole = latent_moments(latents)
    for rows in (37, 7, 1):
        monkeypatch.setattr("pipeline.tables.latents.BLOCK", rows * latents.num_dims)
        found = latent_moments(latents)
        for part in ("mean", "covariance", "pairs"):
            torch.testing.assert_close(getattr(found, part), getattr(whole, part), rtol=1e-9, atol=1e-12)


def test_moments_are_computed_once_a_node(table: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = MachineParams(cache=str(cache))
    first, second = (node_latents(table, machine)[0] for _ in range(2))
    expected = latent_moments(load_latents(table, "train"))
    found = [node_moments(first)]
    monkeypatch.setattr("pipeline.pairing.moments._shrunk_by_parts", lambda *_: pytest.fail("they are there already"))
    found.append(node_moments(second))
    for moments in found:
        for part in ("mean", "covariance", "pairs"):
            assert torch.equal(getattr(moments, part), getattr(expected, part))
    spectrum_to_try(second, Params())  # a sweep's driver takes them from there, too


def peak_of(work: Callable[[], object]) -> int:
    """Bytes of arrays at most at once, beyond those before; not of what is mapped, nor of Arrow's."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_is_a_table_or_where_rows_are_read_some_blocks(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, shards = write_latents(tmp_path, num_dims=100), 25
    table, record = read_table(folder / "train-00000.parquet")
    for shard in range(shards):
        ids = pa.array(np.arange(480) + 480 * shard)
        rows = table.set_column(0, "id", ids).set_column(1, "original", ids)
        own = metadata_of(record) | {"shard": shard, "shards": shards}
        write_table(folder / f"train-{shard:05d}.parquet", rows, own)
    size = 2 * 4 * 480 * shards * 100
    assert size < peak_of(lambda: load_latents(folder, "train")) < 1.25 * size
    monkeypatch.setattr("pipeline.tables.latents.BLOCK", 100 * 200)
    machine = MachineParams(cache=str(cache), memory_budget=TINY)
    latents: list[Latents] = []
    assert peak_of(lambda: latents.extend(node_latents(folder, machine))) < 0.25 * size, "copied a row group at a time"
    assert peak_of(lambda: latent_moments(latents[0])) < 0.5 * size
    assert peak_of(lambda: latent_moments(load_latents(folder, "train"))) < 1.5 * size


@pytest.fixture
def user(table: Path, cache: Path, importable: None) -> Iterator[subprocess.Popen[str]]:  # noqa: ARG001
    """A process that uses the copy until its input ends."""
    command = [sys.executable, "-c", USER, str(table), str(cache)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:
        assert process.stdout
        assert process.stdout.readline() == "480\n"
        yield process
        process.kill()


def copies(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.glob("*")) if cache.exists() else []


def test_a_copy_is_made_once_and_goes_with_its_last_user(
    table: Path, cache: Path, user: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = copies(cache)
    assert [re.sub("[0-9a-f]{32}", "name", name) for name in made] == ["name", "name.lock"]
    monkeypatch.setattr(node_copy, "_write", lambda *_: pytest.fail("it is there already"))
    latents: tuple[Latents, Latents] | None = node_latents(table, MachineParams(cache=str(cache)))
    user.communicate()
    assert user.returncode == 0
    assert copies(cache) == made, "this process uses it still"
    assert latents
    assert latents[0].mean[:].sum() != 0
    latents = None
    assert not cache.exists()


def test_what_a_killed_user_leaves_the_next_uses_and_another_removes(
    tmp_path: Path, cache: Path, user: subprocess.Popen[str]
) -> None:
    made = copies(cache)
    user.send_signal(signal.SIGKILL)
    user.wait()
    half = cache / f".{made[0]}.123.tmp"
    half.mkdir()
    assert copies(cache) == [half.name, *made]
    other = node_latents(with_jitter(tmp_path / "other"), MachineParams(cache=str(cache)))
    assert not set(made) & set(copies(cache)), "of other latents"
    del other
    assert not cache.exists()


def test_a_damaged_table_leaves_no_copy(tmp_path: Path, cache: Path) -> None:
    folder = write_latents(tmp_path / "table")
    shard = folder / "train-00000.parquet"
    content = bytearray(shard.read_bytes())
    middle = len(content) // 3
    content[middle : middle + 20] = bytes(20)
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"train-00000\.parquet: (truncated or damaged|found checksum)"):
        node_latents(folder, MachineParams(cache=str(cache)))
    assert not cache.exists()


def test_a_disk_that_is_too_small_is_one_line(table: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.node_copy.shutil.disk_usage", lambda _: type("Usage", (), {"free": 20_000}))
    message = (
        rf"^{cache}: 2e-05 GB are free, and this node's copy of the latents takes 2\.\d+e-05 GB; machine\.cache names"
    )
    with pytest.raises(InputError, match=message):
        node_latents(table, MachineParams(cache=str(cache)))
    assert not cache.exists()


def test_a_cache_that_is_a_file_is_one_line(table: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("file", "file/inside"):
        with pytest.raises(InputError, match=rf"{place}: is no folder; machine\.cache names"):
            node_latents(table, MachineParams(cache=str(tmp_path / place)))


def test_the_budget_is_half_of_the_memory_or_as_params_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    assert 1e8 < node_memory() <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert memory_budget(MachineParams()) == node_memory() / 2
    assert memory_budget(MachineParams(memory_budget=0.5)) == 5e8
    message = r"machine\.memory_budget: found 1e\+06 GB, accepted are at most the \d+\.\d GB of memory of this node"
    with pytest.raises(InputError, match=message):
        memory_budget(MachineParams(memory_budget=1e6))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")  # whose nodes may have more than its head
    assert memory_budget(MachineParams(memory_budget=1e6)) == node_memory()


def test_the_choice_is_said(table: Path, cache: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    machine = MachineParams(cache=str(cache), memory_budget=TINY)
    flow_setup(Params(machine=machine), table, small_flow(tmp_path).layout)
    assert capsys.readouterr().out == (
        "latents of layer latent: 1.15e-05 GB, more than the 1e-09 GB that they may fill: rows are read from disk as "
        "steps need them\n"
    )
    mapped, _ = node_latents(table, machine.changed(memory_budget=0.5))
    assert how_read(mapped, machine.changed(memory_budget=0.5)).endswith(
        "in memory once for all processes of a node (they may fill 0.5 GB)"
    )


def test_a_copy_that_others_made_while_it_was_swept_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lock is another file by then than the one that was opened."""
    lock = tmp_path / "copy.lock"
    lock.touch()

    def made_meanwhile(_file: object) -> bool:
        lock.unlink(missing_ok=True)
        lock.touch()
        (tmp_path / "copy").mkdir(exist_ok=True)
        return True

    monkeypatch.setattr(node_copy, "_is_alone", made_meanwhile)
    node_copy._sweep(tmp_path, tmp_path / "own.lock")
    with lock.open("a") as opened:
        node_copy._release(tmp_path / "copy", opened)
    assert (tmp_path / "copy").is_dir()
    assert lock.exists()
