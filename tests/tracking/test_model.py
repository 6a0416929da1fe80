"""What is packed with the model: all that it imports, and nothing else."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pipeline.basis import layout
from pipeline.errors import InputError
from pipeline.tracking.model import experiment_of, iin_folder
from pipeline.tracking.packing import copy_files, needs_of
from pipeline.tracking.publish import publish
from pipeline.tracking.store import check_server

from .files import LAYER, curve_lines, free_port, write_iin

LOADED = """
import json, sys
import mlflow
mlflow.pyfunc.load_model(sys.argv[1])
ours = [module for name, module in sys.modules.items() if name.partition(".")[0] == "pipeline"]
print(json.dumps([module.__file__ for module in ours]))
"""


@pytest.fixture
def model(project: Path) -> Path:
    """The folder of a model that the project logged."""
    write_iin(project, curve_lines(100))
    store = check_server("default", LAYER)
    run_id = publish(store, LAYER, "train")
    assert run_id is not None
    (output,) = store.client().get_run(run_id).outputs.model_outputs
    location = store.client().get_logged_model(output.model_id).artifact_location
    return Path(location.removeprefix("file://"))


def test_packed_is_what_a_process_loads(model: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(model)],
        cwd=model,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = {Path(file) for file in json.loads(done.stdout)}
    assert loaded == {file for file in (model / "code").rglob("*") if file.suffix == ".py"}
    assert not [file for file in (model / "code").rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")]
    assert len(loaded) > 10
    names = ("mlflow", "numpy", "pandas", "pillow", "safetensors", "torch")
    required = (model / "requirements.txt").read_text().splitlines()
    assert required == [f"{name}=={version(name)}" for name in names]


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_only_what_runs_on_import_is_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "__init__.py": "",
        "top.py": "import json\nimport numpy as np\nfrom packed.inner import Thing\nfrom packed import beside\n",
        "beside.py": "import packed.deep.far\n",
        "inner/__init__.py": "from packed.inner.thing import Thing\n",
        "inner/thing.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from packed import typed\n"
        "class Thing: ...\ndef later():\n    import packed.late\n",
        "inner/unused.py": "",
        "deep/__init__.py": "",
        "deep/far.py": "",
        "typed.py": "",
        "late.py": "import torch\n",
    }
    write(tmp_path / "packed", files)
    monkeypatch.syspath_prepend(tmp_path)
    import packed.late
    import packed.top

    needs = needs_of(packed.top)
    copy_files(needs, tmp_path / "copy")
    copied = tmp_path / "copy" / "packed"
    packed_files = {str(file.relative_to(copied)) for file in copied.rglob("*") if file.is_file()}
    assert packed_files == {
        "__init__.py",
        "beside.py",
        "inner/__init__.py",
        "inner/thing.py",
        "deep/__init__.py",
        "deep/far.py",
    }
    assert needs.requirements == (f"numpy=={version('numpy')}",)


def test_a_network_of_ones_own_is_packed_with_what_it_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its module is imported by its name when the model runs, whatever that imports, and wherever it does so."""
    files = {
        "own_network/__init__.py": "",
        "own_network/made.py": "import torch\nfrom own_network.parts import part\ndef make():\n    import own_layers\n",
        "own_network/parts/__init__.py": "from .deep import part\n",
        "own_network/parts/deep.py": "import torchvision\nfrom PIL import Image\npart = 1\n",
        "own_network/unused.py": "import pandas\n",
        "own_layers.py": "import math\n",
    }
    write(tmp_path / "theirs", files)
    monkeypatch.syspath_prepend(tmp_path / "theirs")
    plain = needs_of(layout)
    needs = needs_of(layout, "own_network.made")
    copy_files(needs, tmp_path / "copy")
    own = {file.relative_to(tmp_path / "copy").as_posix() for file in (tmp_path / "copy").rglob("own*/**/*.py")}
    own |= {file.name for file in (tmp_path / "copy").glob("*.py")}
    assert own == set(files) - {"own_network/unused.py"}
    assert set(needs.files) > set(plain.files)
    added = set(needs.requirements) - set(plain.requirements)
    assert added == {f"{name}=={version(name)}" for name in ("pillow", "torch", "torchvision")}
    assert needs_of(layout, "torchvision").requirements == (f"torchvision=={version('torchvision')}",)


def test_a_run_that_is_fetched(model: Path) -> None:
    (artifacts,) = (model / "artifacts").iterdir()
    assert iin_folder(str(artifacts)) == artifacts
    store = check_server("default", LAYER)
    (run,) = store.client().search_runs([store.experiment_key], "tags.`iin.kind` = 'training'")
    fetched = iin_folder(run.info.run_id)
    for name in ("card.json", "weights.safetensors"):
        assert (fetched / name).read_bytes() == (artifacts / name).read_bytes()
    assert (experiment_of(str(artifacts)), experiment_of(run.info.run_id)) == (None, None)
    store.client().set_tag(run.info.run_id, "dvc.experiment", "wide")
    assert experiment_of(run.info.run_id) == "wide"


@pytest.mark.usefixtures("project")
def test_a_run_that_is_not_there(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match=r"^--model: 'abc' is no folder, and no run at sqlite:///\S+ \(.*abc.*\)$"):
        iin_folder("abc")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(InputError, match=r"^--model: 'abc' is no folder, and MLflow gives no answer \(Connection ref"):
        iin_folder("abc")
    assert capfd.readouterr() == ("", "")
