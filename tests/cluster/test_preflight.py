"""What is said of a node that sees something else than this host."""

from pathlib import Path

import pytest

from pipeline.cluster.preflight import _differences
from pipeline.cluster.sight import Sight, sight


@pytest.fixture
def here(tmp_path: Path) -> Sight:
    (tmp_path / "params.yaml").write_text("seed: 0\n")
    return sight([], str(tmp_path / "params.yaml"), "", "")


def test_a_node_that_sees_the_same_has_no_line(here: Sight, tmp_path: Path) -> None:
    own = str(tmp_path / "own")
    there = sight([], str(tmp_path / "params.yaml"), own, "127.0.0.1")
    assert list(_differences(there, here, own)) == []


def test_a_node_that_sees_other_params_is_told_so_and_one_that_sees_none_is_not(here: Sight, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("seed: 1\n")
    there = sight([], str(tmp_path / "params.yaml"), "", "127.0.0.1")
    assert list(_differences(there, here, "")) == [
        "found another params.yaml in the folder of the project, expected that of this host"
    ]
    assert list(_differences(sight([], str(tmp_path / "none.yaml"), "", "127.0.0.1"), here, "")) == []


def test_a_node_of_other_versions_is_told_which(here: Sight) -> None:
    there = here | {"versions": here["versions"] | {"torch": "1.0"}}
    assert list(_differences(there, here, "")) == [f"found torch 1.0, expected {here['versions']['torch']}, as here"]
