"""A run's files in a folder and in stores: the same contract, a store that is away, and one that may not be written."""

import os
import pickle
import signal
import threading
import time
from pathlib import Path

import psutil
import pytest

from pipeline.errors import InputError
from pipeline.storage import remote
from pipeline.storage.folder import Folder, Storage
from pipeline.storage.remote import Remote, own_folder, storage_of


@pytest.fixture(params=["folder", "files", "fsspec", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "s3":
        request.getfixturevalue("s3")
    wheres = {"folder": str(tmp_path), "files": f"file://{tmp_path}/store", "fsspec": "fsspec+memory:///store"}
    where = wheres.get(request.param, f"s3://iin/{tmp_path.name}")
    return storage_of(where, tmp_path / "run-0123")


def test_what_is_written_is_read_and_what_is_removed_is_gone(storage: Storage) -> None:
    assert storage.names() == []
    storage.at("a/b").write("file", b"content")
    storage.write_folder("c", {"one": b"1", "deep/two": b"2"})
    assert storage.names() == ["a", "c"]
    assert storage.at("a").at("b").read("file") == b"content"
    assert (storage.read("c/one"), storage.at("c/deep").read("two")) == (b"1", b"2")
    storage.write("a/b/file", b"other")
    assert storage.at("a/b").read("file") == b"other"
    storage.remove("c")
    storage.remove("never there")
    assert storage.names() == ["a"]
    with pytest.raises(FileNotFoundError):
        storage.read("c/one")
    assert (storage.at("a/b").name, storage.at("a/b").parent) == ("b", storage.at("a"))


def test_what_is_appended_is_seen_by_others_after_a_flush(storage: Storage, tmp_path: Path) -> None:
    other = pickle.loads(pickle.dumps(storage))
    storage.append("lines", "one\n")
    storage.append("lines", "two\n")
    storage.flush()
    assert other.read("lines") == b"one\ntwo\n"
    again = pickle.loads(pickle.dumps(other))  # a process that is started anew goes on
    again.append("lines", "three\n")
    again.flush()
    assert other.read("lines") == b"one\ntwo\nthree\n"
    seen = tmp_path / "run-0123" / "seen"
    seen.parent.mkdir(exist_ok=True)
    other.show("lines", seen)
    other.show("lines", seen)
    assert seen.read_text() == "one\ntwo\nthree\n"
    again.write("lines", b"anew\n")
    again.append("lines", "more\n")
    again.flush()
    assert other.read("lines") == b"anew\nmore\n"


@pytest.mark.faults
def test_a_store_that_is_away_for_a_while_loses_nothing(s3: str) -> None:
    storage = Remote("s3://iin/away", "run-0123")
    storage.write("file", b"before")
    port = int(s3.rpartition(":")[2])
    server = next(
        each.pid for each in psutil.net_connections() if each.laddr.port == port and each.status == psutil.CONN_LISTEN
    )
    os.kill(server, signal.SIGSTOP)
    threading.Timer(20, os.kill, [server, signal.SIGCONT]).start()
    begun = time.monotonic()
    storage.write("file", b"after")
    assert time.monotonic() - begun > 19
    assert storage.read("file") == b"after"


@pytest.mark.faults
def test_a_store_that_stays_away_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PATIENCE", 2.0)
    storage = Remote("s3://iin/away?scheme=http&endpoint_override=127.0.0.1:9&region=us-east-1", "run-0123")
    with pytest.raises(InputError) as error:
        storage.write("file", b"content")
    assert str(error.value).startswith("s3://iin/away/run-0123: ")
    assert "once the store answers, the same command goes on" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["foo://bucket/folder", "s3:///folder", "s3://no-such-bucket/folder", "fsspec+nothing://a"]
)
@pytest.mark.usefixtures("s3")
def test_a_store_that_may_not_be_written_is_one_line_at_once(url: str) -> None:
    begun = time.monotonic()
    with pytest.raises(InputError) as error:
        Remote(url).require_writable()
    assert str(error.value).startswith(f"machine.storage: found {url}: ")
    assert "accepted is a folder, or the address of a store" in str(error.value)
    assert time.monotonic() - begun < 15
    Remote("s3://iin/probed").require_writable()
    with pytest.raises(FileNotFoundError):
        Remote("s3://iin/probed").read(remote.MARKER)


def test_a_store_leaves_the_driver_a_folder_of_its_own() -> None:
    assert (own_folder("s3://iin/runs"), own_folder("elsewhere")) == (".runs", "elsewhere")
    assert storage_of("elsewhere", Path("/elsewhere/run-0123")) == Folder(Path("/elsewhere/run-0123"))
    assert str(storage_of("s3://key:secret@iin/runs/?region=us-east-1", Path("run-0123"))) == "s3://iin/runs/run-0123"
