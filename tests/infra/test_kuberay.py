"""The manifests of infra/kuberay are well, and the check sees what is broken in them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from imports import ROOT

from infra.kuberay.validate import faults, locked_version

FOLDER = ROOT / "infra/kuberay"
CLUSTER = (FOLDER / "cluster.yaml").read_text()
RAY = locked_version("ray")


def test_the_manifests_are_well() -> None:
    done = subprocess.run([sys.executable, FOLDER / "validate.py"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2 manifests are well\n"), done.stderr


@pytest.fixture
def broken(tmp_path: Path) -> Callable[[str, str], list[str]]:
    """Faults of cluster.yaml with one text in place of another."""

    def check(old: str, new: str) -> list[str]:
        assert old in CLUSTER
        path = tmp_path / "broken.yaml"
        path.write_text(CLUSTER.replace(old, new, 1))
        return faults(path)

    return check


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("minReplicas: 0", "minReplica: 0", "spec.workerGroupSpecs.1: unknown key minReplica"),
        ("maxReplicas: 8", "maxReplicas: many", "spec.workerGroupSpecs.0.maxReplicas: 'many' is not of type 'integer'"),
        ("readinessProbe: *ready", "readynessProbe: *ready", "unknown key readynessProbe"),
        (f'rayVersion: "{RAY}"', 'rayVersion: "2.59.1"', f"rayVersion: found '2.59.1', requirements.lock has {RAY}"),
        ("mode: token", "mode: disabled", "authOptions.mode: accepted is token"),
        ("serviceType: ClusterIP", "serviceType: LoadBalancer", "headGroupSpec.serviceType: accepted is ClusterIP"),
        ("runAsNonRoot: true", "runAsNonRoot: false", "headGroupSpec.securityContext.runAsNonRoot: accepted is true"),
        ("iin:0.1.0", "iin:latest", "ray-head.image: found 'registry.example.org/iin:latest'"),
        ("iin:0.1.0", "iin:0.2.0", "image: found registry.example.org/iin:0.1.0, registry.example.org/iin:0.2.0"),
        ("claimName: iin-shared", "claimName: other", "volumes.shared: found claim 'other'"),
        ("[ReadWriteMany]", "[ReadWriteOnce]", "spec.accessModes: found no ReadWriteMany"),
        ("replicas: 0", "replicas: 9", "workerGroupSpecs.gpu.replicas: found 9"),
        (
            "valueFrom: {secretKeyRef: {name: iin, key: MLFLOW_TRACKING_PASSWORD}}",
            "value: hunter2",
            "env.MLFLOW_TRACKING_PASSWORD: a secret in the manifest",
        ),
        ("rayVersion:", "rayVersion: [", "while parsing"),
        ("kind: RayCluster", "kind: RayService", "apiVersion: found 'ray.io/v1', accepted are"),
    ],
)
def test_a_broken_manifest_is_refused(broken: Callable[[str, str], list[str]], old: str, new: str, line: str) -> None:
    found = broken(old, new)
    assert any(line in fault for fault in found), found
    assert all("\n" not in fault for fault in found)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("  clusterSelector:", "  # ", "spec: accepted is one of clusterSelector and rayClusterSpec"),
        ("spec:\n", "spec:\n  ttlSecondsAfterFinished: 60\n", "accepted with shutdownAfterJobFinishes alone"),
        ("spec:\n", "spec:\n  backoffLimit: 2\n", "spec.backoffLimit: not accepted with clusterSelector"),
    ],
)
def test_a_job_that_the_operator_would_refuse_is_refused(tmp_path: Path, old: str, new: str, line: str) -> None:
    path = tmp_path / "job.yaml"
    path.write_text((FOLDER / "job.yaml").read_text().replace(old, new, 1))
    (fault,) = faults(path)
    assert line in fault


def test_a_fault_ends_the_command_with_1_and_the_file_in_its_line(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text((FOLDER / "job.yaml").read_text().replace("entrypoint:", "entryPoint:"))
    command = [sys.executable, FOLDER / "validate.py", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{path}: RayJob iin-repro-: spec: unknown key entryPoint\n"
