"""What is written of new images: a table, a picture, and a file an image."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch import Tensor

from pipeline.apply.application import Application
from pipeline.apply.sheet import applied_sheet
from pipeline.basis.layout import Layout
from pipeline.drawing.sheet import house_style


def applied(codes: Tensor, outputs: Tensor, paths: list[Path], *, decides: bool = False) -> Application:
    """Whatever the network gave, the codes are edited to their negatives."""
    return Application(
        paths=paths,
        pixels=np.zeros((len(codes), 4, 4, 3), np.uint8),
        latents=codes,
        codes=codes,
        edited=-codes,
        latents_back=codes,
        latents_edited=codes + 4,
        distance=np.linspace(0.5, 2, len(codes)),
        distance_edited=np.linspace(0.6, 3, len(codes)),
        outputs=outputs,
        outputs_back=outputs,
        outputs_edited=outputs,
        decides=decides,
    )


def test_a_factor_may_be_called_as_another_column(tmp_path: Path) -> None:
    names = ("path", "latent", "decision", "age", "age_edited")
    codes, logits = torch.arange(12.0).reshape(2, 6), torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    table = tmp_path / "applied.parquet"
    applied(codes, logits, [Path("a.png"), Path("b.png")], decides=True).write_table(
        table, Layout.of(names, [1] * 6), None
    )
    content = pq.read_table(table).to_pydict()
    assert (content["path"], content["decision"]) == (["a.png", "b.png"], [1, 0])
    columns = ("path_", "latent_", "decision_", "age", "age_edited_")
    found = {name: content[column] for name, column in zip(names, columns, strict=True)}
    assert found == {name: [[number], [6 + number]] for number, name in enumerate(names, start=1)}
    assert content["age_edited"] == [[-4], [-10]]


def test_images_that_differ_in_their_suffix_alone(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.jpg", "a.png", "b/a.png")]
    images = torch.linspace(-1, 1, 3)[:, None, None, None].expand(3, 3, 4, 4)
    drawn = applied(torch.zeros(3, 3) + 1, images, paths)
    files = drawn.write_images(tmp_path / "edited", tmp_path)
    assert files == ["edited/a.png", "edited/a.png.png", "edited/b/a.png"]
    assert [np.asarray(Image.open(tmp_path / file)).max() for file in files] == [0, 128, 255]
    drawn.write_table(tmp_path / "applied.parquet", Layout.of(["image", "age"], [1, 1, 1]), None, files)
    content = pq.read_table(tmp_path / "applied.parquet").to_pydict()
    assert content["path"] == [str(path) for path in paths]
    assert content["image_edited"] == files
    assert content["image_"] == 3 * [[1.0]]
    assert (content["distance"], content["distance_edited"]) == ([0.5, 1.25, 2.0], pytest.approx([0.6, 1.8, 3.0]))
    assert content["latent"] == content["latent_back"] == 3 * [[1.0, 1.0, 1.0]]
    assert content["latent_edited"] == 3 * [[5.0, 5.0, 5.0]]


@pytest.mark.parametrize(("width", "said"), [(1, False), (12, True)])
def test_a_sheet_shows_one_value_an_image_and_says_how_many_there_are(width: int, said: bool) -> None:
    values = -torch.arange(2.0 * width).reshape(2, width) / 8 - 0.25
    shown = applied(torch.zeros(2, 7), values, [Path("a"), Path("b")])
    with house_style():
        texts = [text.get_text() for text in applied_sheet(shown, None, "an edit").figure.texts]
    assert texts.count("−0.25") == 3
    assert ("Of the 12 values of an image the first is shown." in " ".join(texts)) == said


@pytest.mark.parametrize(
    ("distance", "edited", "lines"),
    [
        ([0.2, 1.0], [0.3, 1.0], []),
        (
            [0.2, 1.23],
            [0.2, 1.23],
            ["1 of 2 images lie outside of what T was trained on, .* distance up to 1.2, and 99.9 %"],
        ),
        (
            [0.2, 0.4],
            [1.1, 30.0],
            ["2 of 2 edits lie outside of what T was trained on, .* distance up to 30, and 99.9 %"],
        ),
        ([0.2, 2.0], [1.5, 2.5], ["1 of 2 images", "2 of 2 edits"]),
        ([0.2, 0.4], [np.nan, np.inf], ["2 of 2 edits"]),
    ],
)
def test_what_lies_outside_of_the_training_is_said(
    distance: list[float], edited: list[float], lines: list[str]
) -> None:
    shown = applied(torch.zeros(2, 7), torch.zeros(2, 1), [Path("a"), Path("b")])
    shown = replace(shown, distance=np.array(distance), distance_edited=np.array(edited))
    found = shown.warnings()
    assert len(found) == len(lines)
    assert [line for line, words in zip(found, lines, strict=True) if not re.match(words, line)] == []
