"""Names of classes from a file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backbone.toys import toy_images
from pipeline.backbone.class_names import names_of_classes
from pipeline.errors import InputError
from pipeline.params import BackboneParams

NAMES = ["Katze", "Hund", "Vogel mit Hut"]
IMAGES = toy_images(2, seed=0)


def section(path: Path, concept: str | None = None) -> BackboneParams:
    return BackboneParams(kind="torch", network="a:b", class_names=str(path), concept=concept)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labels.txt", "Katze\nHund\nVogel mit Hut\n"),
        ("labels.txt", "\ufeffKatze\r\nHund \r\nVogel mit Hut\r\n\r\n"),
        ("labels", "Katze\nHund\nVogel mit Hut"),
        ("labels.json", json.dumps(NAMES)),
        ("labels.json", json.dumps({str(number): name for number, name in reversed(list(enumerate(NAMES)))})),
        ("config.json", json.dumps({"model_type": "vit", "id2label": dict(enumerate(NAMES))})),
        ("labels.json", json.dumps({number: [f"n{number}", name] for number, name in enumerate(NAMES)})),
    ],
)
def test_a_file_of_any_usual_form(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_bytes(text.encode())
    assert names_of_classes(section(tmp_path / name), IMAGES, 3) == NAMES


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("l.txt", b"a\nb\n", "l.txt has 2 names, the network 3 classes"),
        ("l.txt", b"\xff\xfe", "l.txt can't be read ('utf-8' codec can't decode"),
        ("l.json", b"{", "l.json can't be read (Expecting property name"),
        ("l.json", b'{"0": "a", "2": "b"}', "l.json can't be read (its numbers are not 0 to 1, each once)"),
        (
            "l.json",
            b'{"a": 0}',
            "l.json can't be read (a list of names, or a mapping from number to name, is expected)",
        ),
        ("l.json", b"[1, 2, 3]", "l.json can't be read (a list of names"),
        ("l.json", b"[[], [], []]", "l.json can't be read (a list of names"),
    ],
)
def test_a_file_that_names_no_classes_is_one_line(tmp_path: Path, name: str, text: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(text)
    with pytest.raises(InputError) as caught:
        names_of_classes(section(tmp_path / name), IMAGES, 3)
    assert str(caught.value).startswith(f"backbone.class_names: {tmp_path / message}")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"backbone\.class_names: .*gone.txt can't be read \(.*No such file"):
        names_of_classes(section(tmp_path / "gone.txt"), IMAGES, 3)


def test_without_a_file_classes_are_called_as_the_images_say(tmp_path: Path) -> None:
    images = replace(IMAGES, class_names={"digit": ["cat", "dog"]}, labels={"digit": np.zeros(2, np.int64)})
    assert names_of_classes(BackboneParams(kind="torch", network="a:b", concept="digit"), images, 2) == ["cat", "dog"]
    (tmp_path / "labels.txt").write_text("Katze\nHund")
    assert names_of_classes(section(tmp_path / "labels.txt", "digit"), images, 2) == ["Katze", "Hund"]
