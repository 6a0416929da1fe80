"""Which files a set in Parquet has; tests/prepare reads them."""

from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import InputError
from pipeline.inputs.parquet_files import find_parquet

NAMES = ("a.parquet", "b.parquet", "deep/c.parquet", ".hidden/a.parquet", "deep/.x.parquet", "notes.txt")


def made(folder: Path) -> Path:
    for name in NAMES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"kind": [1]}), folder / name)
    (folder / "folder.parquet").mkdir()
    return folder


@pytest.mark.parametrize("folder", ["set", "My Photos (2026) [new]", "*?", "Jörg"])
@pytest.mark.parametrize(
    ("pattern", "expected"),
    [("", [*NAMES[:3]]), ("/a.parquet", ["a.parquet"]), ("/[ab].parquet", ["a.parquet", "b.parquet"]),
     ("/*/c.parquet", ["deep/c.parquet"]), ("/**/?.parquet", [*NAMES[:3]]), ("/*.parquet", [*NAMES[:2]]),
     ("/?.parquet", ["a.parquet", "b.parquet"]), ("/.h*/?.parquet", [".hidden/a.parquet"]),
     ("/**/.hidden/*.parquet", [".hidden/a.parquet"])],
)  # fmt: skip
def test_a_file_a_folder_or_a_glob(tmp_path: Path, folder: str, pattern: str, expected: list[str]) -> None:
    root = made(tmp_path / folder)
    made(tmp_path / "other")
    found = find_parquet(f"{root}{pattern}")
    assert found.paths == [str(root / name) for name in expected]
    assert all(Path(path).is_relative_to(found.base) for path in found.paths)
    assert found.is_local


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere.parquet", "is not there; a Parquet file, a folder, a glob or an address is expected"),
        ("[set]", "no Parquet files in"),
        ("set/x*.parquet", "no Parquet files in"),
        ("nowhere/*.parquet", "can't be read"),
    ],
)
def test_what_is_not_there(tmp_path: Path, place: str, message: str) -> None:
    made(tmp_path / "set")
    with pytest.raises(InputError, match=r"^data\.path: ") as caught:
        find_parquet(str(tmp_path / place))
    assert message in str(caught.value)


def test_a_set_elsewhere_is_known_by_its_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = fsspec.filesystem("memory")
    for name in "ab":
        memory.pipe(f"/marked/{name}.parquet", b"rows")
    by_time = dict(find_parquet("memory://marked").marks())
    assert list(by_time) == ["a.parquet", "b.parquet"]
    memory.pipe("/marked/a.parquet", b"more rows")
    later = dict(find_parquet("memory://marked").marks())
    assert by_time["a.parquet"] != later["a.parquet"]
    assert by_time["b.parquet"] == later["b.parquet"]
    known = memory.info
    monkeypatch.setattr(type(memory), "info", lambda self, path: known(path) | {"ETag": '"12"'})  # noqa: ARG005
    assert dict(find_parquet("memory://marked").marks()) == {"a.parquet": '"12"', "b.parquet": '"12"'}


@pytest.mark.parametrize("form", ["strings", "structs"])
def test_images_that_rows_name(tmp_path: Path, form: str) -> None:
    (tmp_path / "set").mkdir()
    for name in ("1.png", "2.png", "unused.png"):
        (tmp_path / "set" / name).write_bytes(b"image")
    names = ["1.png", "2.png", "gone.png", None]
    structs = [{"bytes": None, "path": name} for name in names]
    column = pa.array(names if form == "strings" else structs)
    pq.write_table(pa.table({"image": column, "kind": [1, 2, 3, 4]}), tmp_path / "set/a.parquet")
    found = list(find_parquet(str(tmp_path / "set")).named_images())
    assert found == [tmp_path / "set/1.png", tmp_path / "set/2.png"]
