"""A person's modules are found, with what they import of theirs, and none of them runs."""

from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.inputs.modules import installed_version, source_files

FILES = {
    "faces/__init__.py": "raise RuntimeError('run')",
    "faces/gan.py": "import torch\nfrom . import blocks\nfrom .deep.parts import P\nfrom helpers_of_faces import *\n",
    "faces/blocks.py": "import json\n",
    "faces/deep/__init__.py": "",
    "faces/deep/parts.py": "from ..blocks import Block\nfrom ...outside import nothing\n",
    "faces/unused.py": "",
    "helpers_of_faces.py": "def lazily():\n    import of_helpers.inner as inner\n",
    "of_helpers/inner.py": "import pipeline.tracking\nimport faces.gan\nthis is no Python\n",
    "alone_with_ours.py": "import pipeline.flow.network\nimport stages.check\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_what_a_module_imports_of_a_person_is_found(folder: Path) -> None:
    found = source_files("faces.gan", "backbone.network")
    assert {name: path.relative_to(folder).as_posix() for name, path in found.items()} == {
        "faces": "faces/__init__.py",
        "faces.gan": "faces/gan.py",
        "faces.blocks": "faces/blocks.py",
        "faces.deep": "faces/deep/__init__.py",
        "faces.deep.parts": "faces/deep/parts.py",
        "helpers_of_faces": "helpers_of_faces.py",
        "of_helpers.inner": "of_helpers/inner.py",
    }


def test_the_pipelines_own_code_is_left_to_dvc() -> None:
    assert set(source_files("alone_with_ours", "backbone.network")) == {"alone_with_ours"}


def test_an_installed_package_is_its_version() -> None:
    import torch
    import torchvision

    assert installed_version("torchvision.models") == f"torchvision {torchvision.__version__.partition('+')[0]}"
    assert installed_version("torch") == f"torch {torch.__version__.partition('+')[0]}"
    assert installed_version("json") == "json"
    assert installed_version("faces.gan") is None
    assert source_files("torchvision.models", "backbone.network") == {}


@pytest.mark.parametrize("module", ["mime", "faces.gone", "helpers_of_faces.inner"])
def test_a_module_that_is_not_there(module: str) -> None:
    with pytest.raises(InputError, match=rf"^data\.labeller: no module '{module}' can be imported"):
        source_files(module, "data.labeller")
