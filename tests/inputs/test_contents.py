"""What files hold: any change shows, wherever they lie, and what was not touched is not read again."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import InputError
from pipeline.inputs import contents
from pipeline.inputs.contents import Contents, walk
from pipeline.prepare.sources.image_folder import image_files


def write(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    return folder


def seen(folder: Path, memory: Path) -> dict[str, Any]:
    return Contents(memory).of("data.path", folder, walk(folder, lambda _: True)[0])


CHANGES: dict[str, Callable[[Path], object]] = {
    "another content of the same length": lambda folder: (folder / "a").write_text("two"),
    "a file more": lambda folder: (folder / "c").write_text(""),
    "a file less": lambda folder: (folder / "b").unlink(),
    "another name": lambda folder: (folder / "b").rename(folder / "c"),
    "two that change names": lambda folder: [
        (folder / one).rename(folder / other) for one, other in (("a", "c"), ("b", "a"), ("c", "b"))
    ],
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_shows(tmp_path: Path, change: Callable[[Path], object]) -> None:
    folder = write(tmp_path / "photos", a="one", b="other")
    before = seen(folder, tmp_path / "memory")
    change(folder)
    assert seen(folder, tmp_path / "memory") != before


def test_the_same_files_elsewhere_are_the_same(tmp_path: Path) -> None:
    here, there = (write(tmp_path / name / "photos", a="one", b="two") for name in ("here", "there"))
    os.utime(there / "a", (1, 1))
    expected = seen(here, tmp_path / "memory")
    assert seen(there, tmp_path / "memory") == seen(here, tmp_path / "other") == expected
    assert (expected["files"], expected["bytes"]) == (2, 6)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read; two seconds more have passed each time that somebody looks."""
    names: list[str] = []
    whole, clock = contents.sha256_file, time.time_ns
    monkeypatch.setattr(contents, "sha256_file", lambda path: names.append(path.name) or whole(path))
    monkeypatch.setattr(time, "time_ns", lambda: clock() + 3_000_000_000)
    return names


def test_what_was_not_touched_is_not_read_again(tmp_path: Path, read: list[str]) -> None:
    folder = write(tmp_path / "photos", a="one", b="two")
    first = seen(folder, tmp_path / "memory")
    assert sorted(read) == ["a", "b"]
    assert seen(folder, tmp_path / "memory") == first
    assert sorted(read) == ["a", "b"]
    times = (folder / "a").stat()
    (folder / "a").write_text("six")
    while (folder / "a").stat().st_ctime_ns == times.st_ctime_ns:  # a copy that keeps the time of what it copies
        os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    os.utime(folder / "a", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert seen(folder, tmp_path / "memory") != first
    assert sorted(read) == ["a", "a", "b"]


def test_what_may_still_be_changed_at_the_same_time_is_read_again(tmp_path: Path) -> None:
    """Two writes between two ticks of the clock have one time, so that it says nothing yet."""
    seen(write(tmp_path / "photos", a="one"), tmp_path / "memory")
    assert not (tmp_path / "memory").exists()


@pytest.mark.usefixtures("read")
def test_a_damaged_memory_is_none(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", a="one")
    first = seen(folder, tmp_path / "memory")
    (memory,) = (tmp_path / "memory").iterdir()
    memory.write_text("[")
    assert seen(folder, tmp_path / "memory") == first


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", a="one")
    elsewhere = write(tmp_path / "elsewhere", b="two")
    (folder / "more").symlink_to(elsewhere)
    (folder / "again").symlink_to(folder)
    (folder / "file").symlink_to(elsewhere / "b")
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    files, links = walk(folder, lambda _: True)
    assert sorted(files) == ["a", "file", "more/b"]
    assert sorted(links) == [elsewhere, elsewhere / "b", folder]


def test_what_is_hidden_is_passed_over_as_prepare_does(tmp_path: Path) -> None:
    """A folder under version control, or one that a notebook looked into, holds the same images."""
    folder = write(tmp_path / "photos", **{"cat/1.png": "one", "cat/2.png": "two"})
    before = seen(folder, tmp_path / "memory")
    write(folder, **{".git/index": "much", "cat/.1.png": "three"})
    write(folder / "cat", **{".ipynb_checkpoints/1-checkpoint.png": "four"})
    assert seen(folder, tmp_path / "memory") == before
    assert sorted(walk(folder, lambda _: True)[0]) == [str(path.relative_to(folder)) for path in image_files(folder)]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", a="one")
    files, _ = walk(folder, lambda _: True)
    (folder / "a").unlink()
    with pytest.raises(InputError, match=rf"^{folder}/a: can't be read \(No such file or directory\)$"):
        Contents(tmp_path / "memory").of("data.path", folder, files)
