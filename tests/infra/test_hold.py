"""Nodes come when a command needs them, and go after it: Ray's real autoscaler, whose nodes are processes here."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from imports import ROOT

from infra.local.nodes import Node, cluster, why_not

HOLD = [sys.executable, str(ROOT / "infra/ray/hold.py")]
SAY = (  # without Ray's own lines of what the autoscaler does meanwhile
    "import ray; ray.init(address='auto', logging_level='ERROR', log_to_driver=False)\n"
    "print(ray.cluster_resources().get('GPU', 0))"
)
WHY_NOT = why_not()
EMPTY = ("file_mounts", "docker", "auth")
NONE = ("cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands")
NONE += (
    "worker_setup_commands",
    "head_start_ray_commands",
    "worker_start_ray_commands",
    "rsync_exclude",
    "rsync_filter",
)
CONFIG = {  # all keys that `ray up` would fill in, and the provider of Ray's own tests
    **{key: {} for key in EMPTY},
    **{key: [] for key in NONE},
    "file_mounts_sync_continuously": False,
    "upscaling_speed": 1.0,
    "cluster_name": "fake_multinode",
    "max_workers": 3,
    "idle_timeout_minutes": 0.05,
    "provider": {  # its nodes share one address, and need nothing installed
        "type": "fake_multinode",
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
    },
    "available_node_types": {
        "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
        "gpu": {"resources": {"CPU": 2, "GPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
    },
    "head_node_type": "ray.head.default",
}

pytestmark = [pytest.mark.system, pytest.mark.skipif(bool(WHY_NOT), reason=f"no network namespaces: {WHY_NOT}")]


def on(head: Node, *command: str) -> "subprocess.CompletedProcess[str]":
    done = subprocess.run(
        head.command(*command), env=head.environment(), capture_output=True, text=True, check=False, timeout=300
    )
    print(done.stdout, done.stderr)
    return done


def test_nodes_come_for_a_command_and_go_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "fake.json"
    config.write_text(json.dumps(CONFIG))
    monkeypatch.setenv("RAY_FAKE_CLUSTER", "1")
    monkeypatch.setenv("AUTOSCALER_UPDATE_INTERVAL_S", "1")
    with cluster(1, 0, f"--autoscaling-config={config}") as (head,):
        assert on(head, sys.executable, "-c", SAY).stdout == "0\n"
        done = on(head, *HOLD, "--gpus", "2", "--", sys.executable, "-c", SAY)
        lines = done.stdout.splitlines()
        assert (done.returncode, lines[0]) == (0, "Ray has 0 CPUs of 2 and 0 GPUs of 2"), done.stderr
        assert lines[-2:] == ["Ray has 4 CPUs of 2 and 2 GPUs of 2", "2.0"]

        done = on(head, *HOLD, "--gpus", "3", "--minutes", "0.05", "--", "true")  # more than the cluster may have
        assert done.returncode == 1
        assert done.stderr.startswith("error: after 0.05 minutes Ray has ")
        assert done.stderr.endswith("GPUs of 3; `ray status` says what it waits for\n")

        deadline = time.monotonic() + 240
        while on(head, sys.executable, "-c", SAY).stdout != "0\n":
            assert time.monotonic() < deadline, "idle nodes stay"


def test_a_command_is_asked_to_end_and_waited_for(tmp_path: Path) -> None:
    begun, ended = tmp_path / "begun", tmp_path / "ended"
    command = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(pathlib.Path(sys.argv[2]).touch()))\n"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    program = (
        "import signal, sys; from infra.ray.hold import _run\n"
        "signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number)); _run(sys.argv[1:])"
    )
    holder = [sys.executable, "-c", program, sys.executable, "-c", command, str(begun), str(ended)]
    process = subprocess.Popen(holder, cwd=ROOT)
    deadline = time.monotonic() + 60
    while not begun.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    assert ended.exists()


def test_without_a_cluster_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    done = subprocess.run([*HOLD, "--gpus", "1", "--", "true"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "error: RAY_ADDRESS: not set; accepted is the address of the cluster\n",
    )
