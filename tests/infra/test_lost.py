"""A stage on two hosts of infra/local that is interrupted, loses a host, or the head of its cluster: a line each."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from imports import ROOT

from infra.local.nodes import Node, cluster, plug, rejoin, why_not

WHY_NOT = why_not()

pytestmark = [
    pytest.mark.faults,
    pytest.mark.system,
    pytest.mark.skipif(bool(WHY_NOT), reason=f"no network namespaces: {WHY_NOT}"),
]


@pytest.fixture(scope="module")
def nodes(importable: None) -> Iterator[list[Node]]:  # noqa: ARG001
    """A head and another host; each test takes something from them, and leaves them to the next."""
    with cluster(2, 1) as found:
        yield found


def ended(head: Node, folder: Path, workers: int, act: Callable[[int], None]) -> tuple[int, str, str]:
    """Exit code and words of a training that holds still until `act` is called with its driver's process id."""
    command = head.command(sys.executable, str(ROOT / "tests/infra/held.py"), str(folder), str(workers))
    pipe = subprocess.PIPE
    # a shell that runs these tests in the background has told all below it to ignore Ctrl-C
    driver = subprocess.Popen(
        command,
        env=head.environment(),
        stdout=pipe,
        stderr=pipe,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        deadline = time.monotonic() + 300
        while not (folder / "held").exists():
            assert driver.poll() is None, driver.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.1)
        act(driver.pid)
        out, err = driver.communicate(timeout=300)
    finally:
        driver.kill()
    return driver.returncode, out, err


def kill(node: Node, name: str = "") -> None:
    """Kill what runs on a host, or what of it has a name."""
    for pid in node.processes():
        if psutil.pid_exists(pid) and name in psutil.Process(pid).name():
            os.kill(pid, signal.SIGKILL)


def test_ctrl_c_says_how_to_go_on(nodes: list[Node], tmp_path: Path) -> None:
    code, _, err = ended(nodes[0], tmp_path, 2, lambda pid: os.kill(pid, signal.SIGINT))
    assert (code, err) == (130, "stopped by SIGINT; the same command goes on from what is on disk\n")
    worker = int((tmp_path / "held").read_text())
    deadline = time.monotonic() + 60
    while psutil.pid_exists(worker):
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture(scope="module")
def undisturbed(nodes: list[Node], tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """Weights that two workers on two hosts end in."""
    folder = tmp_path_factory.mktemp("undisturbed")
    assert ended(nodes[0], folder, 2, lambda _: (folder / "released").touch())[0] == 0
    return weights(folder)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(folder / "model.pt", weights_only=True)
    return found


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def test_a_link_that_is_cut_for_ten_seconds_is_no_matter(
    nodes: list[Node], undisturbed: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    def act(_: int) -> None:
        plug(nodes[1], pulled=True)
        (tmp_path / "released").touch()  # the workers go on, and do not reach each other
        time.sleep(10)
        plug(nodes[1], pulled=False)

    code, _, err = ended(nodes[0], tmp_path, 2, act)
    assert code == 0, err
    assert_same(weights(tmp_path), undisturbed)


def test_a_node_that_comes_back_is_waited_for(
    nodes: list[Node], undisturbed: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    def act(_: int) -> None:
        kill(nodes[1])
        (tmp_path / "released").touch()
        time.sleep(3)
        rejoin(nodes[1], 1, tmp_path / "ray.log")

    code, out, err = ended(nodes[0], tmp_path, 2, act)
    assert code == 0, err
    assert "a worker was lost: all 2 start anew, 1 of 3 times at most" in out
    assert_same(weights(tmp_path), undisturbed)


def test_a_node_that_never_comes_back_is_named(nodes: list[Node], tmp_path: Path) -> None:
    head, other = nodes
    code, out, err = ended(head, tmp_path, 2, lambda _: kill(other))
    missing = r"10\.77\.0\.1 have 1 CPUs of 2, without 10\.77\.0\.2"
    why = rf"did not come back in 25 s \(machine\.node_wait\): {missing}"
    line = rf"error: a node was lost, and {why}; the same command goes on from .*\n"
    assert code == 1
    assert re.fullmatch(line, err), err
    assert f"a node was lost: {missing.replace(chr(92), '')}; waiting 25 s for it (machine.node_wait)\n" in out


def test_a_head_that_is_gone_is_named(nodes: list[Node], tmp_path: Path) -> None:
    """The last test, as no head comes back."""
    start: list[float] = []

    def act(_: int) -> None:
        start.append(time.monotonic())
        kill(nodes[0], "gcs_server")

    code, _, err = ended(nodes[0], tmp_path, 1, act)
    line = r"error: the head of the Ray cluster, 10\.77\.0\.1:6379, does not answer any more: .*; the same command .*"
    *of_ray, said = err.splitlines()
    assert code == 1
    assert re.fullmatch(line, said), err
    assert len(of_ray) <= 1, "a task that fails meanwhile is a line of Ray's C++ part"
    assert time.monotonic() - start[0] < 60
