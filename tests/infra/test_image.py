"""The Dockerfile passes hadolint, and holds what no linter knows: our Python, no root, no secret, no code."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from imports import ROOT
from packaging.specifiers import SpecifierSet

DOCKERFILE = ROOT / "infra/image/Dockerfile"
TEXT = DOCKERFILE.read_text()
STAGES = {stage.splitlines()[0].split()[-1]: stage.splitlines() for stage in re.split(r"(?m)^(?=FROM )", TEXT)[1:]}
HADOLINT = Path(sys.executable).parent / "hadolint"


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([HADOLINT, "--no-color", path], capture_output=True, text=True, check=False)


def test_hadolint_finds_nothing() -> None:
    done = lint(DOCKERFILE)
    assert done.returncode == 0, done.stdout


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text(TEXT.replace("python:3.11.14-slim-bookworm", "python:latest"))
    assert "DL3007" in lint(path).stdout


def test_python_is_pinned_to_one_that_the_project_takes() -> None:
    (version,) = set(re.findall(r"^FROM python:(\d+\.\d+\.\d+)-\S+ AS", TEXT, re.MULTILINE))
    accepted = re.search(r'requires-python = "(.*)"', (ROOT / "pyproject.toml").read_text())
    assert accepted is not None
    assert version in SpecifierSet(accepted[1])


@pytest.mark.parametrize("name", ["iin", "mlflow"])
def test_what_is_shipped_does_not_run_as_root(name: str) -> None:
    (uid,) = [line.split()[1] for line in STAGES[name] if line.startswith("USER ")]
    cluster = (ROOT / "infra/kuberay/cluster.yaml").read_text()
    assert f"useradd --uid {uid} " in TEXT
    assert f"runAsUser: {uid}\n" in cluster


def test_the_last_stage_is_that_of_the_nodes() -> None:
    assert list(STAGES)[-1] == "iin"


def test_nothing_but_the_lock_file_gets_in() -> None:
    """An image of the lock alone needs no new build for an edit, and holds no secret and no second copy of the code."""
    copies = [line.split()[1:] for lines in STAGES.values() for line in lines if line.startswith(("COPY ", "ADD "))]
    assert {copy[0] for copy in copies if not copy[0].startswith("--from=")} == {"requirements.lock"}
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored == ["*", "!requirements.lock"]
    assert not re.search(r"(?im)^\s*(ARG|ENV)\b.*(password|secret|token|key)", TEXT)


def test_both_install_what_the_lock_pins() -> None:
    installs = re.findall(r"pip install (.*)", TEXT)
    assert installs == [
        "--no-deps -r requirements.lock",
        '--constraint requirements.lock "mlflow[auth]" psycopg2-binary boto3',
    ]
