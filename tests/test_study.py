"""A study's file, and the command that runs it; tests/end_to_end runs one."""

import os
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.study import main, read_study


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two studies; the working folder."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "small.yaml").write_text("flow: {rho: 0.9}\nbackbone: {arguments: {depth: 3}}\n")
    (tmp_path / "studies" / "broken.yaml").write_text("flow: [\n")
    (tmp_path / "studies" / "list.yaml").write_text("- flow\n")
    (tmp_path / "params.yaml").write_text("study: default\nflow: {rho: 0.975}\nbackbone: {arguments: {}}\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What differs as `-S key=value`, places outside of the experiment's own folder absolute."""
    commands: list[list[str]] = []
    environment = dict(os.environ)  # a copy, which `main` may change
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["IIN_DATA_ROOT"] = "here"
    environment.pop("MLFLOW_TRACKING_URI", None)
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(os, "execvp", lambda _, command: commands.append(command))
    monkeypatch.setattr(sys, "argv", ["study", "small"])
    main()
    (command,) = commands
    assert command[:6] == ["dvc", "exp", "run", "--temp", "--name", "small"]
    assert command[6::2] == ["-S"] * 4
    assert command[7::2] == [
        "flow.rho=0.9",
        "++backbone.arguments.depth=3",
        "study=small",
        f"++machine.storage={project}/.runs",
    ]
    assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{project}/mlflow.db"
    assert os.environ["IIN_DATA_ROOT"] == f"{project}/here"


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("large", r"^studies/large.yaml: not there; there are broken, list, small$"),
        ("broken", r"^studies/broken.yaml: no YAML \(.*\)$"),
        ("list", r"^studies/list.yaml: found list, expected the params that differ, such as `flow:`$"),
    ],
)
def test_no_study(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_study(name)


@pytest.mark.usefixtures("project")
def test_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["study"])
    with pytest.raises(InputError, match=r"^usage: python -m pipeline.study NAME; there are broken, list, small$"):
        main()
