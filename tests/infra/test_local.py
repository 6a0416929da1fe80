"""A training runs over two hosts of infra/local, as it does alone, and nothing of them is left."""

import json
import os
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

from infra.local.nodes import why_not
from pipeline.training.loop import train

NODES = [sys.executable, ROOT / "infra/local/nodes.py"]
WHY_NOT = why_not()

pytestmark = [pytest.mark.system, pytest.mark.skipif(bool(WHY_NOT), reason=f"no network namespaces: {WHY_NOT}")]


def left_over() -> set[str]:
    """Namespaces and temporary folders of any such cluster."""
    spaces = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True).stdout.splitlines()
    return {line.split()[0] for line in [*spaces, *map(str, Path("/tmp").iterdir())] if "iin-" in line}


def test_a_training_over_two_nodes_is_that_of_the_loop_alone(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = left_over()
    driver = [sys.executable, ROOT / "tests/infra/over_two_nodes.py", tmp_path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.Popen([*NODES, "--nodes", "2", "--", *driver], env=environment, text=True)
    assert done.wait() == 0
    assert {path.name for path in tmp_path.glob("node-*")} == {"node-10.77.0.1", "node-10.77.0.2"}
    assert "small: 2 worker(s) on cpu" in capfd.readouterr().out

    assert left_over() == before
    assert not [path for path in tmp_path.glob("node-*") if psutil.pid_exists(int(path.read_text()))]

    torch.set_num_threads(1)
    task = SmallTask(SmallConfig(), torch.device("cpu"))
    train(task, CONFIG)
    entries = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    last = next(entry for entry in reversed(entries) if "val/squared_error" in entry)
    assert last["step"] == CONFIG.steps
    assert last["val/squared_error"] == pytest.approx(task.validate()["squared_error"], rel=1e-4)


def test_a_command_that_fails_is_said_and_its_cluster_ends(tmp_path: Path) -> None:
    before = left_over()
    program = f"import sys, os; open('{tmp_path}/address', 'w').write(os.environ['RAY_ADDRESS']); sys.exit(7)"
    done = subprocess.run([*NODES, "--nodes", "1", "--", sys.executable, "-c", program], check=False)
    assert done.returncode == 7
    assert (tmp_path / "address").read_text() == "10.77.0.1:6379"
    assert left_over() == before


def test_a_cluster_that_is_stopped_ends_whole(tmp_path: Path) -> None:
    before, sign = left_over(), tmp_path / "there"
    program = f"import time; open('{sign}', 'w').close(); time.sleep(3600)"
    process = subprocess.Popen([*NODES, "--nodes", "1", "--", sys.executable, "-c", program])
    try:
        deadline = time.monotonic() + 300
        while not sign.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert left_over() > before
    finally:
        process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert left_over() == before
