"""Each source reads real files of its layout, written here."""

import csv
import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from refusals import refusal_of

from pipeline.params import DataParams
from pipeline.prepare.images import prepare
from pipeline.prepare.sources.torchvision_sets import Roots
from pipeline.tables.images import load_images
from pipeline.tables.parquet import read_schema, read_table

NUM = 120
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (NUM, 12, 12, 3), dtype=np.uint8)
HERE = Roots(None, Path("downloads"))


def content(pixels: np.ndarray, kind: str = "PNG") -> bytes:
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def params(**changes: Any) -> DataParams:
    still = {"rotate": 0.0, "translate": 0.0, "scale": 0.0, "shear": 0.0}
    return DataParams.model_validate({"copies": 1, "warp": still, "concepts": ("kind",), **changes})


def prepared(folder: Path, of: DataParams, roots: Roots = HERE) -> dict[str, Any]:
    """All rows by original: pixels and category of each concept."""
    prepare(of, 0, folder / "images", roots)
    rows: dict[int, tuple[np.ndarray, dict[str, int]]] = {}
    for split in ("train", "val", "test"):
        images = load_images(folder / "images", split)
        for row, original in enumerate(images.original):
            rows[int(original)] = images.pixels[row], {name: int(of[row]) for name, of in images.labels.items()}
    return rows


def refusal(folder: Path, of: DataParams, roots: Roots = HERE) -> str:
    line = refusal_of(prepare, of, 0, folder / "images", roots)
    assert not (folder / "images").exists()
    return line


def tree(folder: Path) -> Path:
    """A third of the images in each of three folders, some deeper."""
    for row, image in enumerate(PIXELS):
        path = folder / "tree" / ["cat", "dog", "emu"][row % 3] / ("deep" if row % 2 else "") / f"{row:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content(image))
    return folder / "tree"


def hugging_face(path: Path, rows: range, names: bool = True, **columns: Any) -> None:
    """Rows as `datasets` writes them."""
    images = pa.array(
        [{"bytes": content(PIXELS[row]), "path": None} for row in rows],
        pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
    )
    table = pa.table({"image": images, "kind": pa.array([row % 4 for row in rows]), **columns})
    features = {"image": {"_type": "Image"}, "kind": {"_type": "ClassLabel", "names": ["a", "b", "c", "d"]}}
    if names:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=17)


def test_a_tree_is_one_folder_a_class(tmp_path: Path) -> None:
    rows = prepared(tmp_path, params(source="image_folder", path=str(tree(tmp_path)), concepts=("class",)))
    paths = sorted((tmp_path / "tree").glob("*/**/*.png"))
    assert len(rows) == NUM
    for original, (pixels, labels) in rows.items():
        assert np.array_equal(pixels, PIXELS[int(paths[original].stem)])
        assert labels["class"] == int(paths[original].stem) % 3
    assert read_schema(tmp_path / "images/val.parquet")[1]["class_names"] == {"class": ["cat", "dog", "emu"]}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_table_names_what_each_file_shows(tmp_path: Path, form: str) -> None:
    folder, table = tree(tmp_path), tmp_path / f"concepts.{form}"
    paths = sorted(folder.glob("*/**/*.png"))
    rows = [
        {
            "path": str(path.relative_to(folder)),
            "kind": ["red", "green"][row % 2] if row % 10 else None,
            "smiles": bool(row % 3),
            "age": 20 + row % 7 + 0.5,
        }
        for row, path in enumerate(paths)
    ]
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), table)
    else:
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    of = params(source="image_folder", path=str(folder), table=str(table), concepts=("kind", "smiles", "age"))
    found = prepared(tmp_path, of)
    for original, (pixels, labels) in found.items():
        assert np.array_equal(pixels, PIXELS[int(paths[original].stem)])
        kind = rows[original]["kind"]
        expected = -1 if kind is None else ["green", "red"].index(kind)
        assert labels == {"kind": expected, "smiles": int(rows[original]["smiles"]), "age": original % 7}
    images = load_images(tmp_path / "images", "train")
    assert images.values["age"][:, 0].tolist() == [20.5 + original % 7 for original in images.original]
    table_on_disk, _ = read_table(tmp_path / "images/train.parquet")
    assert table_on_disk["kind"].null_count == (images.labels["kind"] == -1).sum() > 0


def test_missing_values_are_counted_in_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = pa.array([None if row % 4 == 0 else row % 4 for row in range(NUM)])
    hugging_face(tmp_path / "set/a.parquet", range(NUM), names=False, other=kinds)
    prepared(tmp_path, params(source="parquet", path=str(tmp_path / "set"), concepts=("other", "kind")))
    assert "whose concept is missing, which take no part in its pairs: 30 in 'other'\n" in capsys.readouterr().out


@pytest.mark.parametrize("place", ["folder", "glob", "file://", "memory://"])
def test_hugging_face_parquet_of_several_files(tmp_path: Path, place: str) -> None:
    hugging_face(tmp_path / "set/train-0.parquet", range(70))
    hugging_face(tmp_path / "set/train-1.parquet", range(70, NUM))
    (tmp_path / "set/README.md").write_text("no data")
    path = {"folder": f"{tmp_path}/set", "glob": f"{tmp_path}/s*/train-*.parquet", "file://": f"file://{tmp_path}/set",
            "memory://": "memory://set"}[place]  # fmt: skip
    if place == "memory://":
        memory = fsspec.filesystem("memory")
        for file in (tmp_path / "set").glob("*.parquet"):
            memory.pipe(f"/set/{file.name}", file.read_bytes())
    rows = prepared(tmp_path, params(source="parquet", path=path))
    assert len(rows) == NUM
    for original, (pixels, labels) in rows.items():
        assert np.array_equal(pixels, PIXELS[original])
        assert labels == {"kind": original % 4}
    assert read_schema(tmp_path / "images/val.parquet")[1]["class_names"] == {"kind": ["a", "b", "c", "d"]}


def test_a_relative_path_may_be_in_the_root(tmp_path: Path) -> None:
    hugging_face(tmp_path / "root/set/a.parquet", range(NUM))
    rows = prepared(tmp_path, params(source="parquet", path="set"), Roots(str(tmp_path / "root"), Path("none")))
    assert len(rows) == NUM


@pytest.mark.parametrize("form", ["bytes", "paths", "structs of paths"])
def test_other_forms_of_an_image_column(tmp_path: Path, form: str) -> None:
    (tmp_path / "set/files").mkdir(parents=True)
    for row, image in enumerate(PIXELS):
        (tmp_path / f"set/files/{row}.png").write_bytes(content(image))
    names = [f"files/{row}.png" for row in range(NUM)]
    column = {
        "bytes": pa.array([content(image) for image in PIXELS]),
        "paths": pa.array(names),
        "structs of paths": pa.array([{"bytes": None, "path": name} for name in names],
                                     pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    }[form]  # fmt: skip
    pq.write_table(pa.table({"image": column, "kind": [row % 4 for row in range(NUM)]}), tmp_path / "set/a.parquet")
    rows = prepared(tmp_path, params(source="parquet", path=str(tmp_path / "set/a.parquet")))
    assert all(np.array_equal(pixels, PIXELS[original]) for original, (pixels, _) in rows.items())


def test_a_path_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder, table = tree(tmp_path), tmp_path / "concepts.csv"
    (tmp_path / "secret.png").write_bytes(content(PIXELS[0]))
    of = params(source="image_folder", path=str(folder), table=str(table))
    for entry in ("../secret.png", str(tmp_path / "secret.png")):
        table.write_text(f"path,kind\ncat/000.png,1\n{entry},2\n")
        line = f"{table}: row 1: path {entry} leads out of data.path {folder}, in which it is looked for"
        assert refusal(tmp_path, of) == line
    table.write_text("file,kind\ncat/000.png,1\n")
    assert refusal(tmp_path, of) == f"{table}: no column 'path'; its columns are file, kind"
    pq.write_table(pa.table({"image": ["../secret.png"] * NUM, "kind": [0, 1] * 60}), folder / "a.parquet")
    line = refusal(tmp_path, params(source="parquet", path=str(folder)))
    assert line == f"{folder}/a.parquet: path ../secret.png leads out of {folder}"


def test_images_of_mixed_sizes_or_modes(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    of = params(source="image_folder", path=str(folder), concepts=("class",))
    odd = folder / "cat/000.png"
    odd.write_bytes(content(np.zeros((9, 12, 3), np.uint8)))
    line = refusal(tmp_path, of)
    assert line.endswith("images of one size are expected, or data.image_size, to which all are cut and resized")
    assert str(odd) in line
    assert "12x9 pixels" in line or "has 12x9" in line
    odd.write_bytes(content(np.zeros((12, 12), np.uint8)))
    line = refusal(tmp_path, of)
    assert str(odd) in line
    assert "images of one mode are expected, or data.image_mode" in line
    rows = prepared(tmp_path, of.model_copy(update={"image_mode": "RGB"}))
    assert len(rows) == NUM
    odd.write_bytes(content(np.zeros((40, 20, 3), np.uint8)))
    rows = prepared(tmp_path, of.model_copy(update={"image_size": 8}))
    assert {pixels.shape for pixels, _ in rows.values()} == {(8, 8, 3)}


def test_corrupt_images_are_named_counted_and_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tree(tmp_path)
    broken = [folder / "cat/000.png", folder / "dog/004.png", folder / "emu/002.png"]
    broken[0].write_bytes(b"")
    broken[1].write_bytes(b"no image")
    broken[2].write_bytes(broken[2].read_bytes()[:60])
    of = params(source="image_folder", path=str(folder), concepts=("class",))
    line = refusal(tmp_path, of)
    assert line.startswith("data.corrupt_share: 3 images are empty or damaged (")
    assert all(str(path) in line for path in broken)
    assert line.endswith("), 2.50% of 120, accepted are 0.00%")
    capsys.readouterr()
    rows = prepared(tmp_path, of.model_copy(update={"corrupt_share": 0.03}))
    assert len(rows) == NUM - 3
    assert "3 images are empty or damaged (" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": "image_folder", "path": "nowhere"}, "data.path: nowhere is no folder; one of images is expected"),
        ({"source": "parquet", "path": "nowhere/*.parquet"}, "data.path: nowhere/*.parquet can't be read"),
        ({"source": "parquet", "path": "nowhere"}, "data.path: nowhere is not there; a Parquet file, "),
        ({"source": "parquet", "path": "SET", "image_column": "photo"}, "SET: no image column 'photo'; its columns are "
         "image (struct<bytes: binary, path: string>), kind (int64)"),
        ({"source": "parquet", "path": "SET", "concepts": ("shape",)}, "data.concepts: no concept 'shape' in SET; its "
         "columns are kind"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    hugging_face(tmp_path / "set/a.parquet", range(NUM))
    place = str(tmp_path / "set")
    of = params(**{key: place if value == "SET" else value for key, value in changes.items()})
    assert refusal(tmp_path, of).startswith(message.replace("SET", place))


def test_a_set_without_images_lists_its_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "kind": [0, 1]}), tmp_path / "a.parquet")
    line = refusal(tmp_path, params(source="parquet", path=str(tmp_path / "a.parquet")))
    assert line == f"{tmp_path}/a.parquet: no image column; its columns are text (string), kind (int64)"


def test_a_concept_without_equal_values_needs_a_length(tmp_path: Path) -> None:
    ages = pa.array(np.linspace(0, 1, NUM))
    hugging_face(tmp_path / "set/a.parquet", range(NUM), age=ages)
    of = params(source="parquet", path=str(tmp_path / "set"), concepts=("age",))
    line = refusal(tmp_path, of)
    assert "concept 'age': no two of its 120 values are equal, so that there are no pairs; data.graded: {age:" in line
    prepared(tmp_path, of.model_copy(update={"graded": {"age": 0.1}}))
    assert read_schema(tmp_path / "images/val.parquet")[1]["graded"] == {"age": 0.1}


def test_warped_copies_of_natural_images_have_no_black_border(tmp_path: Path) -> None:
    bright = [content(np.full((16, 16, 3), 200, np.uint8)) for _ in range(NUM)]
    table = pa.table({"image": bright, "kind": [row % 2 for row in range(NUM)]})
    pq.write_table(table, tmp_path / "a.parquet")
    of = params(source="parquet", path=str(tmp_path / "a.parquet"), copies=3, warp={})
    prepare(of, 0, tmp_path / "images")
    assert load_images(tmp_path / "images", "train").pixels.min() == 200


MEASURE = """
import sys
from pathlib import Path
from pipeline.params import DataParams
from pipeline.prepare.images import prepare
rows = prepare(DataParams(source="parquet", path=sys.argv[1], copies=1, concepts=("kind",)), 0, Path(sys.argv[2]))
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(sum(rows.values()), peak.split()[1])
"""


def test_memory_does_not_grow_with_the_images(tmp_path: Path, run_python: Callable[..., str]) -> None:
    """Five times the images, a tenth more memory at most, and the images alone would be twice as much again."""
    peaks = []
    image = content(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    for number in (4_000, 20_000):
        table = pa.table({"image": [image] * number, "kind": [row % 4 for row in range(number)]})
        pq.write_table(table, tmp_path / f"{number}.parquet", row_group_size=500, use_dictionary=False)
        found = run_python(MEASURE, str(tmp_path / f"{number}.parquet"), str(tmp_path / "images"))
        rows, peak = map(int, found.split()[-2:])
        assert rows == number
        peaks.append(peak)
    assert peaks[1] < 1.1 * peaks[0]
    assert 16_000 * image.__sizeof__() / 1024 > 0.15 * peaks[0], "or the test could not fail"
