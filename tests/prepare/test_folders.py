"""Folders and images as people leave them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.prepare.images import prepare
from pipeline.tables.images import load_images
from pipeline.tables.parquet import SPLITS, read_schema, read_table

from .own_images import KINDS, NUM, PIXELS, content, files, params, prepared, refusal, write


def test_hidden_files_and_folders_are_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "photos", files())
    for name in (".ipynb_checkpoints/000-checkpoint.png", "cat/.ipynb_checkpoints/a.png", "dog/._000.png"):
        write(root, [name])
    images = prepared(params(root), tmp_path / "images")
    assert sum(map(len, images.values())) == NUM
    assert images["train"].class_names == {"class": list(KINDS)}
    assert "data/images: class: 3 classes: cat (40), dog (40), emu (40)\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("train", "val", "test"), "train (60), val (30), test (30)"),
        (("Train", "validation", "test"), "train (60), val (30), test (30)"),
        (("train", "test"), "train (90), test (30); of train are drawn val: 0.1"),
        (("train", "valid"), "train (90), val (30); of train are drawn test: 0.2"),
        (("train",), "train (120); of train are drawn val: 0.1, test: 0.2"),
    ],
)
def test_folders_of_splits_are_splits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: Sequence[str], said: str
) -> None:
    places = [names[0], *names[1:], names[0]] if len(names) == 3 else [names[0], names[0], *names[1:], names[0]]
    quarters = [places[row % 4] if len(names) > 1 else names[0] for row in range(NUM)]
    root = write(tmp_path / "photos", [f"{quarters[row]}/{KINDS[row % 3]}/{row:03d}.png" for row in range(NUM)])
    images = prepared(params(root), tmp_path / "images")
    assert f"data/images: splits as the folders say: {said}\n" in capsys.readouterr().out
    assert images["train"].class_names == {"class": list(KINDS)}
    folder_of = dict(zip([image.tobytes() for image in PIXELS], quarters, strict=True))
    found = {split: {folder_of[image.tobytes()].lower() for image in of.pixels} for split, of in images.items()}
    given = {"val": names[1].lower()} if len(names) > 1 and names[1] != "test" else {}
    given |= {"test": "test"} if "test" in names else {}
    assert found == {split: {given.get(split, "train")} for split in SPLITS}
    assert sum(map(len, images.values())) == NUM


def test_without_a_concept_the_folders_are_columns_that_are_none(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", files())
    images = prepared(params(root, concepts=()), tmp_path / "images")
    assert [of.labels for of in images.values()] == [{}, {}, {}]
    named = load_images(tmp_path / "images", "train", named=True)
    assert (set(named.labels), named.num_categories) == ({"class"}, {"class": 3})
    assert np.array_equal(named.labels["class"], named.original // (NUM // 3))


def test_a_class_may_be_called_train_beside_others(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", files(("car", "train")))
    assert prepared(params(root), tmp_path / "images")["val"].class_names == {"class": ["car", "train"]}


def test_folders_of_splits_without_classes_or_without_train_are_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "photos", [*(f"train/{name}" for name in files(num=90)), "test/x.png"])
    assert refusal(params(root), tmp_path / "images") == (
        f"data.path: {root}/test/x.png is in no folder of a class; the folders of {root} are splits (test, train), in "
        "which one folder a class, or data.table, is expected"
    )
    (root / "train").rename(root / "val")
    (root / "test/x.png").rename(root / "val/cat/x.png")
    line = refusal(params(root), tmp_path / "images")
    assert line == "data.path: folders of the splits val, but none for train"


def test_rows_of_one_file_are_one_original(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, table = write(tmp_path / "photos", files(num=60)), tmp_path / "table.csv"
    names = files(num=60)
    again = [names[row] if row % 2 else f"./{names[row]}" for row in range(60)]  # the same file by another name
    lines = [f"{name},{row % 3},{row % 2}" for row, name in enumerate([*names, *again])]
    table.write_text("\n".join(["path,kind,rater", *lines]))
    images = prepared(params(root, table=str(table), concepts=("kind", "rater")), tmp_path / "images")
    originals = {split: set(of.original.tolist()) for split, of in images.items()}
    assert sum(map(len, images.values())) == NUM
    assert set.union(*originals.values()) == set(range(60))
    assert sum(map(len, originals.values())) == 60
    for of in images.values():
        assert len(of) == 2 * len(set(of.original.tolist()))
        assert (of.id % 60 == of.original).all()
    assert "data/images: 60 rows are of a file that an earlier row names: copies of one original\n" in (
        capsys.readouterr().out
    )


def test_many_classes_are_said_in_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, table = write(tmp_path / "photos", files()), tmp_path / "table.csv"
    table.write_text("\n".join(["path,kind", *(f"{name},k{row % 7}" for row, name in enumerate(files()))]))
    prepared(params(root, table=str(table), concepts=("kind",)), tmp_path / "images")
    said = "data/images: kind: 7 classes: k0 (18), k1 (17), k2 (17), k3 (17), k4 (17) and 2 more\n"
    assert said in capsys.readouterr().out


def test_what_is_made_of_images_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path / "photos", files())
    for row, name in enumerate(files()):
        grey = PIXELS[row, ..., 0].astype(np.uint16) * 16
        (root / name).write_bytes(content(grey))
    images = prepared(params(root), tmp_path / "images")
    paths = sorted(files())
    for part in images.values():
        expected = [np.rint(PIXELS[int(Path(paths[row]).stem), ..., 0] * (16 * 255 / 4095)) for row in part.original]
        assert np.array_equal(part.pixels[..., 0], expected)
    assert "images of mode I;16: values from 0 to 4095 become black to white, as the largest of 100 images is " in (
        capsys.readouterr().out
    )
    assert read_schema(tmp_path / "images/val.parquet")[1]["image_range"] == [0.0, 4095.0]
    (root / "emu/119.png").write_bytes(content(np.full((8, 8), 9000, np.uint16)))  # the last, not looked at
    with pytest.raises(InputError, match=r"values \d+ to \d+, but the images that were looked at are within"):
        prepare(params(root), 0, tmp_path / "images")
    prepare(params(root, image_range=[0, 9000]), 0, tmp_path / "images")
    levels = np.concatenate([load_images(tmp_path / "images", split).pixels[..., 0].ravel() for split in SPLITS])
    assert np.unique(levels)[-2:].tolist() == [round(PIXELS[..., 0].max() * 16.0 * 255 / 9000), 255]


def test_a_concept_may_be_called_as_a_column_of_the_table(tmp_path: Path) -> None:
    root, table = write(tmp_path / "photos", files()), tmp_path / "table.csv"
    names = ("id", "original", "split", "image", "mean", "scale", "age", "age_value")
    rows = [f"{name},{row % 2},{row % 3},{row % 4},{row % 5},{row % 6},{row % 7},{row % 5 + 0.5},{row % 2}"
            for row, name in enumerate(files())]  # fmt: skip
    table.write_text("\n".join([f"path,{','.join(names)}", *rows]))
    for split, part in prepared(params(root, table=str(table), concepts=names), tmp_path / "images").items():
        for number, name in enumerate(names[:6], start=2):
            assert np.array_equal(part.labels[name], part.original % number), name
        assert np.array_equal(part.labels["age_value"], part.original % 2)
        assert np.array_equal(part.values["age"][:, 0], part.original % 5 + 0.5)
        assert read_table(tmp_path / f"images/{split}.parquet")[0]["split"].to_pylist() == [split] * len(part)
