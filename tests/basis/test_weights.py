import json
from pathlib import Path

import pytest
from torch import nn

from pipeline.basis.weights import read_card, read_weights, write_network
from pipeline.errors import InputError
from pipeline.files import sha256_file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_network(tmp_path / "net", nn.Linear(3, 2), {"sizes": (3, 2), "näme": "x"}, metrics='{"step": 1}\n')
    return tmp_path / "net"


def _read(folder: Path) -> tuple[nn.Linear, str]:
    with read_card(folder, "a line") as card:
        network = nn.Linear(*card["sizes"])
    return network, read_weights(folder, card, network)


def test_a_network_is_read_back_with_the_sha256_of_its_weights(folder: Path) -> None:
    network, sha256 = _read(folder)
    again = folder.with_name("again")
    write_network(again, network, {"sizes": (3, 2), "näme": "x"}, metrics='{"step": 1}\n')
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert sha256 == sha256_file(folder / "weights.safetensors")
    expected = {"sizes": [3, 2], "näme": "x", "weights_sha256": sha256}
    assert (folder / "card.json").read_text() == json.dumps(expected, indent=2, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ('["sizes"]', "list indices must be integers or slices, not str"),
        ('{"weights_sha256": ""}', "no key 'sizes'"),
        ('{"sizes": [3, 2]}', "no key 'weights_sha256'"),
        ('{"sizes": 3}', r"torch\.nn\..* argument after \* must be an iterable, not int"),
        ('{"sizes": [3, "two"]}', r"empty\(\): .*"),
    ],
)
def test_a_card_that_builds_no_network_is_one_line(folder: Path, card: str, reason: str) -> None:
    (folder / "card.json").write_text(card)
    with pytest.raises(InputError, match=rf"net/card\.json: no card of a line \({reason}\)$") as caught:
        _read(folder)
    assert "\n" not in str(caught.value)


def test_a_number_that_json_does_not_know_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_network(tmp_path / "net", nn.Linear(3, 2), {"error": float("nan")}, metrics="")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_other_names_are_refused_in_one_line(folder: Path) -> None:
    with read_card(folder, "a line") as card:
        other = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(InputError, match=r"does not fit the network of its card \(.*Missing key") as caught:
        read_weights(folder, card, other)
    assert "\n" not in str(caught.value)
