"""A training runs over two hosts of infra/local, as it does alone, and nothing of them is left."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
from imports import ROOT
from training.small_task import CONFIG, SmallConfig, SmallTask

from infra.local.nodes import Node, cluster, part, why_not
from pipeline.training.loop import train

NODES = [sys.executable, ROOT / "infra/local/nodes.py"]
WHY_NOT = why_not()

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(bool(WHY_NOT), reason=f"no network namespaces: {WHY_NOT}"),
    pytest.mark.usefixtures("importable"),
]


def parts(pid: int) -> list[str]:
    """Namespaces and temporary folders of that process's cluster; other tests may run theirs."""
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    names = [*(line.split()[0] for line in spaces), *(path.name for path in Path("/tmp").iterdir())]
    return [name for name in names if name.startswith(f"iin-{pid}-")]


def test_a_training_over_two_nodes_is_that_of_one_bit_for_bit(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Two workers each time: sums of their gradients do not depend on where they are."""
    driver = [sys.executable, ROOT / "tests/infra/over_two_nodes.py"]
    folders = {nodes: tmp_path / f"of {nodes}" for nodes in (2, 1)}
    for nodes, folder in folders.items():
        folder.mkdir()
        process = subprocess.Popen([*NODES, f"--nodes={nodes}", f"--cpus={2 // nodes}", "--", *driver, folder])
        assert process.wait() == 0
        hosts = {f"node-10.77.0.{number}" for number in range(1, nodes + 1)}
        assert {path.name for path in folder.glob("node-*")} == hosts
        assert "small: 2 worker(s) on cpu" in capfd.readouterr().out
        assert not parts(process.pid)
        assert not [path for path in folder.glob("node-*") if psutil.pid_exists(int(path.read_text()))]
    assert (folders[2] / "metrics.jsonl").read_text() == (folders[1] / "metrics.jsonl").read_text()
    found, expected = (torch.load(folder / "model.pt", weights_only=True) for folder in folders.values())
    assert all(torch.equal(found[name], value) for name, value in expected.items())

    torch.set_num_threads(1)
    task = SmallTask(SmallConfig(), torch.device("cpu"))
    train(task, CONFIG)
    entries = [json.loads(line) for line in (folders[2] / "metrics.jsonl").read_text().splitlines()]
    last = next(entry for entry in reversed(entries) if "val/squared_error" in entry)
    assert last["step"] == CONFIG.steps
    assert last["val/squared_error"] == pytest.approx(task.validate()["squared_error"], rel=1e-4)
    weights = task.model.state_dict()
    assert not all(torch.equal(found[name], value) for name, value in weights.items()), "sums of halves round otherwise"


def drive(head: Node, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """The driver of a small training, on a head."""
    command = head.command(sys.executable, str(ROOT / "tests/infra/over_two_nodes.py"), *map(str, arguments))
    return subprocess.run(command, env=head.environment(), capture_output=True, text=True, check=False)


def test_a_node_that_sees_other_code_or_storage_is_refused_and_shipped_code_is_run(tmp_path: Path) -> None:
    storage, shared = tmp_path / "storage", tmp_path / "shared"
    for folder in (storage, shared):
        folder.mkdir()
    with cluster(2, 1, hidden=[storage, ROOT / "pipeline"]) as (head, _):
        refused, shipped = drive(head, storage), drive(head, shared, "shipped")
    node = "node 10.77.0.2: found"
    code = rf"(another package `pipeline`, in \S*|no package `pipeline`), expected that of {ROOT}/pipeline: .*"
    line = rf"error: {node} {code}; {node} another {storage}, or none, expected the folder of this host: .*\n"
    assert (refused.returncode, refused.stdout) == (1, "")
    assert re.fullmatch(line, refused.stderr), refused.stderr
    assert (shipped.returncode, shipped.stderr) == (0, "")
    assert shipped.stdout.startswith(f"2 nodes: code shipped, {shared}, ")
    assert {path.name for path in shared.glob("node-*")} == {"node-10.77.0.1", "node-10.77.0.2"}
    assert not list(tmp_path.rglob(".seen-*"))


def test_nodes_that_do_not_reach_each_other_or_do_not_answer_are_named(tmp_path: Path) -> None:
    with cluster(3, 1) as (head, *others):
        part(others, parted=True)
        parted = drive(head, tmp_path)
        part(others, parted=False)
        (raylet,) = (pid for pid in others[1].processes() if psutil.Process(pid).name() == "raylet")
        os.kill(raylet, signal.SIGSTOP)
        start = time.monotonic()
        silent = drive(head, tmp_path)
        took = time.monotonic() - start
        os.kill(raylet, signal.SIGCONT)
    one, other = (f"can't reach {node.ip} (No route to host): workers call each other" for node in others)
    said = [rf"node {node.ip}: {re.escape(of)}[^;]*" for node, of in zip(others, (other, one), strict=True)]
    assert re.fullmatch(rf"error: ({said[0]}; {said[1]}|{said[1]}; {said[0]})\n", parted.stderr), parted.stderr
    assert silent.stderr == f"error: node {others[1].ip}: its Ray gives no answer\n"
    assert took < 25, "15 s for the node, and the start of the driver"
    assert not list(tmp_path.glob("node-*"))


def test_a_command_that_fails_is_said_and_its_cluster_ends(tmp_path: Path) -> None:
    program = f"import sys, os; open('{tmp_path}/address', 'w').write(os.environ['RAY_ADDRESS']); sys.exit(7)"
    process = subprocess.Popen([*NODES, "--nodes", "1", "--", sys.executable, "-c", program])
    assert process.wait() == 7
    assert (tmp_path / "address").read_text() == "10.77.0.1:6379"
    assert not parts(process.pid)


def test_a_cluster_that_is_stopped_ends_whole(tmp_path: Path) -> None:
    sign = tmp_path / "there"
    program = f"import time; open('{sign}', 'w').close(); time.sleep(3600)"
    process = subprocess.Popen([*NODES, "--nodes", "1", "--", sys.executable, "-c", program])
    try:
        deadline = time.monotonic() + 300
        while not sign.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(parts(process.pid)) == 3  # a node, the switch, a folder
    finally:
        process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert not parts(process.pid)
