"""A study's file, and the command that runs it; tests/end_to_end runs one."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pipeline.errors import InputError
from pipeline.params import Params
from pipeline.places import Places
from pipeline.study import absolute, assignments, main, read_study, uncommitted


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two studies; the working folder."""
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "small.yaml").write_text("flow: {rho: 0.9}\nbackbone: {arguments: {depth: 3}}\n")
    (tmp_path / "studies" / "broken.yaml").write_text("flow: [\n")
    (tmp_path / "studies" / "list.yaml").write_text("- flow\n")
    (tmp_path / "params.yaml").write_text("study: default\nflow: {rho: 0.975}\nbackbone: {arguments: {}}\n")
    monkeypatch.chdir(tmp_path)
    identity = ("-c", "user.name=tests", "-c", "user.email=tests@example.org")
    for command in (("init", "--quiet"), ("add", "--all"), (*identity, "commit", "--quiet", "--message", "A project")):
        subprocess.run(["git", *command], check=True)
    return tmp_path


def test_the_command(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
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
    assert command[6::2] == ["-S"] * 5
    assert command[7::2] == [
        "++flow.rho=0.9",
        "~backbone.arguments",
        "++backbone.arguments={depth:3}",
        "++study='small'",
        f"++machine.storage='{project}/.runs'",
    ]
    assert "not committed" not in capsys.readouterr().out
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


VALUES = (
    "Jörg (2)",
    "My Photos (2026)/new, all",
    "18",
    "1e-3",
    "true",
    "null",
    "",
    " ",
    " a  b ",
    "it's",
    'say "no"',
    "\\",
    "C:\\new\\",
    "\\'",
    "\\\\'",
    "a=b,c:d",
    "{a: 1}",
    "[1, 2]",
    "$HOME ${data.path} \\${x}",
    "~/photos",
    "# no comment",
    "*.parquet",
    "zwei\nZeilen",
    "🙂 $5 %d",
    18,
    0,
    -3,
    1e-3,
    1e-05,
    2.5e20,
    3.0,
    True,
    False,
    None,
    [],
    [1, 2.5],
    ["1"],
    ["hair colour", "1", "it's", "a,b", ""],
    [[1, 2], ["x"]],
)


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("stated", [{}, {"path": "photos", "size": 3}], ids=["new", "stated"])
def test_a_value_arrives_as_it_stands(tmp_path: Path, value: object, stated: dict[str, object]) -> None:
    """Through what dvc does with `-S`, and through the YAML that it writes then."""
    found = carried(tmp_path, {"data": {"path": value}}, {"data": dict(stated), "flow": {"rho": 0.975}})
    assert found == {"data": stated | {"path": value}, "flow": {"rho": 0.975}}
    assert type(found["data"]["path"]) is type(value)


def test_sections_are_changed_key_by_key_and_mappings_as_a_whole(tmp_path: Path) -> None:
    stated = {
        "data": {"warp": {"rotate": 5.0, "shear": 4.0}, "graded": {"age": 1.0}, "copies": 20},
        "backbone": {"arguments": {"depth": 3}, "input": {"size": None, "mean": [0.1, 0.2, 0.3]}},
    }
    changes = {
        "data": {"warp": {"shear": 1}, "graded": {"hair colour (a, b)": 0.5, "eyes.left": 2, "Nano": 1}},
        "backbone": {"arguments": {}, "input": {"size": 64}},
    }
    assert carried(tmp_path, changes, stated) == {
        "data": {
            "warp": {"rotate": 5.0, "shear": 1},
            "graded": {"hair colour (a, b)": 0.5, "eyes.left": 2, "Nano": 1},
            "copies": 20,
        },
        "backbone": {"arguments": {}, "input": {"size": 64, "mean": [0.1, 0.2, 0.3]}},
    }


def test_a_value_that_cannot_be_carried_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^data\.path: '\?\?\?' can't be carried by `dvc exp run -S`"):
        carried(tmp_path, {"data": {"path": "???"}}, {"data": {}})


@pytest.mark.parametrize("key", ["Größe", "it's", "1", "null", "nan", "a ", "#", "${a}"])
def test_a_key_that_cannot_be_carried_is_refused(tmp_path: Path, key: str) -> None:
    with pytest.raises(
        InputError, match=rf"^data\.graded: key '{re.escape(key)}' can't be carried by `dvc exp run -S`"
    ):
        carried(tmp_path, {"data": {"graded": {key: 1.0}}}, {"data": {"graded": {}}})


def carried(folder: Path, changes: dict[str, object], stated: dict[str, object]) -> dict[str, dict[str, object]]:
    """params.yaml after what `dvc exp run -S …` does to it."""
    path = folder / "params.yaml"
    YAML().dump(stated, path)
    apply_overrides(path, list(assignments(changes, stated)))
    content: dict[str, dict[str, object]] = YAML(typ="safe", pure=True).load(path)
    return content


@pytest.mark.parametrize("name", sorted(path.stem for path in Path("studies").glob("*.yaml")))
def test_the_projects_own_studies_fit_its_params(tmp_path: Path, name: str) -> None:
    stated = YAML(typ="safe", pure=True).load(Path("params.yaml"))
    Params.model_validate(carried(tmp_path, read_study(name), stated))


def test_edits_that_are_not_committed_are_named(project: Path) -> None:
    places = Places(project)
    assert uncommitted(places) == []
    (project / "params.yaml").write_text(
        "study: mine\nflow: {rho: 0.975}\nbackbone: {arguments: {depth: 1}}\nseed: 1\n"
    )
    assert uncommitted(places) == ["backbone.arguments", "backbone.arguments.depth", "seed", "study"]


def test_what_git_does_not_hold_goes_by_its_absolute_address(project: Path) -> None:
    """Of the params that differ and of those that stay; names that are no paths, and what git holds, stay too."""
    names = (
        "photos/one.png",
        "tables/[a]/t.parquet",
        "mine.pth",
        "names.txt",
        "resnet18/note",
        "dots/a.png",
        "in/a.png",
    )
    for name in names:
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    subprocess.run(["git", "add", "names.txt", "in"], check=True)
    stated = {
        "data": {"path": "photos", "table": None, "sketches": {"dotted": "dots", "inked": "in"}},
        "backbone": {"network": "resnet18", "class_names": "names.txt"},
    }
    changes = {"data": {"table": "tables/[[]a]/*.parquet"}, "backbone": {"weights": "mine.pth"}, "seed": 3}
    assert absolute(changes, stated, project) == {
        "data": {
            "path": f"{project}/photos",
            "table": f"{project}/tables/[[]a]/*.parquet",
            "sketches": {"dotted": f"{project}/dots", "inked": "in"},
        },
        "backbone": {"weights": f"{project}/mine.pth"},
        "seed": 3,
    }
    stated["data"]["sketches"] = {"inked": "in"}
    elsewhere = {"data": {"path": "cifar10-parquet"}, "backbone": {"weights": str(project / "mine.pth")}}
    assert absolute(elsewhere, stated, project) == elsewhere


def test_a_study_needs_git(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["study", "small"])
    needs = "a study is an experiment of DVC, which needs"
    shutil.rmtree(project / ".git")
    with pytest.raises(InputError, match=rf"^{needs} a commit of git that holds params.yaml \(fatal: not a git repo"):
        main()
    monkeypatch.setenv("PATH", str(project))
    with pytest.raises(InputError, match=rf"^{needs} git; git is not there$"):
        main()


def test_the_cache_of_a_folder_beyond_ascii_goes_by_a_link(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As dvc writes its address into a file of ASCII alone; tests/end_to_end runs a study there."""
    folder = shutil.copytree(project, project / "Jörg (2)")
    (folder / ".dvc").mkdir()
    monkeypatch.chdir(folder)
    environment = dict(os.environ) | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    monkeypatch.setattr(os, "environ", environment)
    monkeypatch.setattr(os, "execvp", lambda *_: None)
    monkeypatch.setattr(tempfile, "tempdir", str(project))
    monkeypatch.setattr(sys, "argv", ["study", "small"])
    main()
    settings = (Path(os.environ["DVC_GLOBAL_CONFIG_DIR"]) / "config").read_text()
    link = Path(settings.partition("dir = ")[2].strip())
    assert str(link).isascii()
    assert link.resolve() == folder / ".dvc/cache"
