import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import InputError
from pipeline.files import atomic_file, atomic_folder, read_json, read_yaml, sha256_file, write_atomic, write_json

# no root and no small disk needed: the kernel refuses to let a file of this process grow
FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from pipeline.errors import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
path = Path(sys.argv[1])
try:
    {write}
except InputError as error:
    print(error)
"""


def _with_full_disk(write: str, path: Path) -> str:
    script = FULL_DISK.replace("{write}", write)
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _write_half(path: Path) -> None:
    path.write_text("half")
    raise RuntimeError("halfway")


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_text_is_written_as_utf8_and_bytes_as_they_are(tmp_path: Path) -> None:
    write_atomic(tmp_path / "deep" / "text", "Farbe é")
    write_atomic(tmp_path / "bytes", b"\x00\xff")
    assert (tmp_path / "deep" / "text").read_bytes() == "Farbe é".encode()
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff"
    assert _names(tmp_path) == ["bytes", "deep", "text"]


def test_the_old_file_is_there_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    with atomic_file(path) as beside:
        beside.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert _names(tmp_path) == ["file"]


def test_a_file_whose_writing_fails_leaves_nothing_and_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    with pytest.raises(RuntimeError, match="halfway"), atomic_file(path) as beside:
        _write_half(beside)
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["file"]


def test_a_folder_replaces_the_old_one_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    for name in ("old", "new"):
        with atomic_folder(path) as beside:
            (beside / "sub").mkdir()
            (beside / "sub" / name).write_text(name)
    assert _names(tmp_path) == ["folder", "new", "sub"]


KILLED = """
import os, sys
from pathlib import Path
from pipeline.files import atomic_folder
renamed = []
rename = Path.rename
def killed_at(self, target):
    renamed.append(target)
    if len(renamed) == int(sys.argv[2]):
        os._exit(9)
    return rename(self, target)
Path.rename = killed_at
with atomic_folder(Path(sys.argv[1])) as beside:
    (beside / "file").write_text("new")
"""


@pytest.mark.parametrize("at", [1, 2])
def test_a_kill_while_a_folder_is_replaced_loses_nothing(tmp_path: Path, at: int) -> None:
    path = tmp_path / "folder"
    path.mkdir()
    (path / "file").write_text("old")
    assert subprocess.run([sys.executable, "-c", KILLED, path, str(at)], check=False).returncode == 9
    with pytest.raises(RuntimeError, match="halfway"), atomic_folder(path) as beside:
        _write_half(beside / "file")
    assert (path / "file").read_text() == "old"
    with atomic_folder(path) as beside:
        assert (path / "file").read_text() == "old"
        (beside / "file").write_text("newest")
    assert (path / "file").read_text() == "newest"
    assert [name for name in _names(tmp_path) if "before" in name] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "not there; run from the project's folder"),
        ("a: [1", "no YAML \\("),
        ("a: 1e-3", None),
    ],
)
def test_yaml_is_read_as_dvc_reads_it_or_refused_by_name(tmp_path: Path, content: str | None, message: str) -> None:
    path = tmp_path / "a.yaml"
    if content is not None:
        path.write_text(content)
    if message is None:
        assert read_yaml(path) == {"a": 0.001}
        return
    with pytest.raises(InputError, match=f"a.yaml: {message}"):
        read_yaml(path, "run from the project's folder")


def test_a_folder_in_the_place_of_a_yaml_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a folder, expected is a YAML file"):
        read_yaml(tmp_path)


def test_a_folder_whose_writing_fails_leaves_nothing_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with atomic_folder(path) as beside:
        (beside / "old").write_text("old")
    with pytest.raises(RuntimeError, match="halfway"), atomic_folder(path) as beside:
        _write_half(beside / "new")
    assert _names(tmp_path) == ["folder", "old"]


def test_a_full_disk_is_one_line_and_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "old")
    write = "from pipeline.files import write_atomic; write_atomic(path, b'x' * 50_000)"
    assert _with_full_disk(write, path) == f"{path}: no space left; nothing half-written is kept\n"
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["file"]


def test_a_full_disk_within_a_folder_keeps_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with atomic_folder(path) as beside:
        (beside / "old").write_text("old")
    write = """from pipeline.files import atomic_folder
    with atomic_folder(path) as beside:
        (beside / "small").write_bytes(b"x")
        (beside / "large").write_bytes(b"x" * 50_000)"""
    assert _with_full_disk(write, path) == f"{path}: no space left; nothing half-written is kept\n"
    assert _names(tmp_path) == ["folder", "old"]


def test_a_full_disk_names_a_file_within_a_folder_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    write = """from pipeline.files import atomic_folder, write_atomic
    with atomic_folder(path) as beside:
        write_atomic(beside / "large", b"x" * 50_000)"""
    assert _with_full_disk(write, path) == f"{path / 'large'}: no space left; nothing half-written is kept\n"
    assert _names(tmp_path) == []


def test_a_full_disk_while_a_table_is_written_keeps_the_old_table(tmp_path: Path) -> None:
    path = tmp_path / "table.parquet"
    write_atomic(path, "old")
    write = """import numpy as np, pyarrow as pa
    from pipeline.tables.parquet import write_table
    noise = np.random.default_rng(0).random(20_000)
    write_table(path, pa.table({"id": np.arange(20_000), "noise": noise}), {})"""
    assert _with_full_disk(write, path) == f"{path}: no space left; nothing half-written is kept\n"
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["table.parquet"]


def test_a_folder_that_is_not_writable_is_one_line(tmp_path: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from pipeline.errors import InputError
from pipeline.files import write_atomic
if os.geteuid() == 0:
    os.setuid(65534)  # root may write everywhere
try:
    write_atomic(Path(sys.argv[1]), "text")
except InputError as error:
    print(error)
"""
    tmp_path.chmod(0o500)
    path = tmp_path / "file"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=True)
    assert done.stdout == f"{path}: not writable (Permission denied)\n"


def test_any_other_error_of_the_disk_stays_a_defect(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_file(tmp_path / "file"):
        pass  # nothing was written beside


def test_json_round_trip(tmp_path: Path) -> None:
    content = {"colour": [1, 2.5, None], "é": {"nested": True}}
    write_json(tmp_path / "file.json", content)
    assert read_json(tmp_path / "file.json") == content
    text = (tmp_path / "file.json").read_text()
    assert text.endswith("}\n")
    assert '"é"' in text
    assert json.loads(text) == content


def test_nan_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "file.json", {"score": float("nan")})
    assert _names(tmp_path) == []


def test_json_that_is_missing_or_broken_is_named(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    with pytest.raises(InputError, match=r"file\.json: not there; run `dvc repro`"):
        read_json(path)
    path.write_text('{"half": ')
    with pytest.raises(InputError, match=r"file\.json: no JSON \(Expecting value"):
        read_json(path)


def test_sha256_of_known_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert sha256_file(tmp_path / "file") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
