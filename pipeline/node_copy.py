"""One copy of a layer's training and validation latents on each node, which all processes there read.

The first to come reads the Parquet shards once, row group by row group, and writes bare arrays beside each other into a
folder that is named by their content. Every worker, trial and driver of the node maps these files: pages that several
processes map are in memory once. Vectors that are more than the budget are not mapped, but read row by row, so that
what a step or a block of rows takes is all of them that is in memory.

The last to leave removes the folder. What killed processes leave behind, the next that comes uses or removes.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.files import atomic_file, atomic_folder, disk_errors
from pipeline.machine import GB, memory_budget
from pipeline.params import MachineParams
from pipeline.tables.latents import Columns, Latents, Shards, Vectors
from pipeline.tables.stored import StoredRows

__all__ = ["how_read", "node_latents", "once_a_node"]

Array = NDArray[Any]

FORMAT = "1"  # of a copy
SPLITS = ("train", "val")


def node_latents(folder: Path, machine: MachineParams, backbone_sha256: str | None = None) -> tuple[Latents, Latents]:
    """Training and validation rows, from this node's copy, which is there as long as one of them is.

    Args:
        folder: `data/latents/<layer>`.
        machine: its `cache`, where the copy is made, and its `memory_budget`.
        backbone_sha256: as of `load_latents`.

    Raises:
        InputError: as of `load_latents`; the copy can't be written, or the budget is more than this node has.
    """
    splits = {split: Shards.of(folder, split, backbone_sha256) for split in SPLITS}
    mapped = _bytes_of(splits) <= memory_budget(machine)
    place = _root(machine) / _name(splits)
    held = _Held(place, lambda beside: _write(beside, splits))
    train, val = (_opened(place, split, shards, mapped=mapped, held=held) for split, shards in splits.items())
    return train, val


def how_read(train: Latents, machine: MachineParams) -> str:
    """How rows of `node_latents` are read on this node, as a line."""
    budget, size = memory_budget(machine) / GB, 4 * len(train) * train.num_dims / GB
    words = f"latents of layer {train.layer}: {size:.3g} GB, "
    if isinstance(train.mean, StoredRows):
        return words + f"more than the {budget:.3g} GB that they may fill: rows are read from disk as steps need them"
    return words + f"in memory once for all processes of a node (they may fill {budget:.3g} GB)"


def once_a_node(latents: Latents, name: str, make: Callable[[], Mapping[str, Array]]) -> dict[str, Array]:
    """Arrays that follow from rows of a node's copy: the first of its processes makes them, the others wait and read.

    Args:
        latents: of `node_latents`, as they were opened; those from elsewhere have what they need made here.
        name: of these arrays.
        make: gives them.
    """
    if not isinstance(latents.held, _Held):
        return dict(make())
    path = latents.held.folder / f"{name}.npz"
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.is_file():
            with atomic_file(path) as beside, beside.open("wb") as file:
                np.savez(file, allow_pickle=False, **make())
    with np.load(path) as found:
        return dict(found)


class _Held:
    """A copy that this process uses, until the object is gone or the process ends.

    Args:
        folder: of the copy.
        make: writes it to a folder, where nobody did.

    Attributes:
        folder: of the copy.
    """

    def __init__(self, folder: Path, make: Callable[[Path], None]) -> None:
        self.folder = folder
        weakref.finalize(self, _release, folder, _locked(folder, make))


def _locked(folder: Path, make: Callable[[Path], None]) -> IO[str]:
    """The lock of a copy that is there, held beside others who use it."""
    lock = _lock_of(folder)
    while True:
        _make_root(folder.parent)
        _sweep(folder.parent, lock)
        try:
            file = lock.open("a")
        except FileNotFoundError:  # who left another copy has removed the root
            continue
        try:
            if _is_alone(file) and _is_still(file, lock) and not folder.is_dir():
                _remove_halves(folder)
                with atomic_folder(folder) as beside:
                    make(beside)
            fcntl.flock(file, fcntl.LOCK_SH)  # waits for who makes it
            if _is_still(file, lock) and folder.is_dir():  # between two locks others come in
                return file
        except BaseException:
            _release(folder, file)
            raise
        file.close()


def _release(folder: Path, file: IO[str]) -> None:
    """Leave a copy, and remove it where nobody else uses it."""
    with file:
        if _is_alone(file) and _is_still(file, _lock_of(folder)):
            _remove(folder)
    with suppress(OSError):
        folder.parent.rmdir()  # the last copy was in it


def _sweep(root: Path, own: Path) -> None:
    """Remove the copies that processes which were killed have left."""
    for lock in root.glob("*.lock"):
        with suppress(FileNotFoundError), lock.open("a") as file:
            if lock != own and _is_alone(file) and _is_still(file, lock):  # else it is one of others by now
                _remove(lock.with_suffix(""))


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    _remove_halves(folder)
    _lock_of(folder).unlink(missing_ok=True)


def _remove_halves(folder: Path) -> None:
    """What who was killed while it made the copy has left."""
    for half in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(half, ignore_errors=True)


def _lock_of(folder: Path) -> Path:
    return folder.with_suffix(".lock")


def _is_alone(file: IO[str]) -> bool:
    """Whether nobody else holds the lock, which this process then has for itself."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(file: IO[str], lock: Path) -> bool:
    """Whether the file that was opened is the one at `lock`, and not one that was removed since."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), lock.stat())
    except FileNotFoundError:
        return False


def _root(machine: MachineParams) -> Path:
    """Folder of the copies of this user on this node."""
    return Path(machine.cache or Path(tempfile.gettempdir()) / f"invertible-interpretation-{os.getuid()}")


def _make_root(root: Path) -> None:
    try:
        with disk_errors(root):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{root}: is no folder; machine.cache names that of each node's copy of the latents") from None
    if root.stat().st_uid != os.getuid():
        raise InputError(f"{root}: belongs to another user; machine.cache names another folder")


def _name(splits: Mapping[str, Shards]) -> str:
    """Of a copy: SHA-256 of what it follows from, without reading a row: their checksums stand in the shards."""
    parts = [FORMAT, *([split, of.card, of.metadata["concepts"], of.checksums] for split, of in splits.items())]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _bytes_of(splits: Mapping[str, Shards]) -> int:
    """What the vectors take."""
    return sum(4 * of.rows * len(of.kept) * len(of.vectors) for of in splits.values())


def _write(folder: Path, splits: Mapping[str, Shards]) -> None:
    """Write all files of a copy."""
    free, needed = shutil.disk_usage(folder).free, _bytes_of(splits)
    if free < needed:
        raise InputError(
            f"{folder.parent}: {free / GB:.3g} GB are free, and this node's copy of the latents takes "
            f"{needed / GB:.3g} GB; machine.cache names another folder"
        )
    for split, of in splits.items():
        _write_split(folder, split, of)


def _write_split(folder: Path, split: str, of: Shards) -> None:
    with ExitStack() as stack:
        files = {name: stack.enter_context(_vectors(folder, split, name).open("wb")) for name in of.vectors}

        def take(name: str, rows: NDArray[np.float32]) -> None:
            files[name].write(np.ascontiguousarray(rows).data)

        columns = of.read(take)
    np.save(folder / f"{split}-id.npy", columns.id)
    np.save(folder / f"{split}-original.npy", columns.original)
    for number, concept in enumerate(columns.labels):
        np.save(folder / f"{split}-label-{number}.npy", columns.labels[concept])
        if concept in columns.values:
            np.save(folder / f"{split}-value-{number}.npy", columns.values[concept])


def _opened(folder: Path, split: str, of: Shards, *, mapped: bool, held: _Held) -> Latents:
    """A split of a copy. What is mapped may be written to, which stays this process's own."""
    labels: dict[str, NDArray[np.int64]] = {}
    values: dict[str, NDArray[np.float32]] = {}
    for number, concept in enumerate(of.metadata["concepts"]):
        labels[concept] = _column(folder / f"{split}-label-{number}.npy")
        if (path := folder / f"{split}-value-{number}.npy").is_file():
            values[concept] = _column(path)
    id_, original = (_column(folder / f"{split}-{name}.npy") for name in ("id", "original"))
    shape = (of.rows, len(of.kept))
    paths = {name: _vectors(folder, split, name) for name in of.vectors}
    vectors: dict[str, Vectors] = {
        name: np.asarray(np.memmap(path, np.float32, "c", shape=shape)) if mapped else StoredRows(path, shape[1])
        for name, path in paths.items()
    }
    return of.latents(Columns(id_, original, labels, values), vectors, held)


def _column(path: Path) -> NDArray[Any]:
    return np.asarray(np.load(path, mmap_mode="c"))


def _vectors(folder: Path, split: str, name: str) -> Path:
    return folder / f"{split}-{name}.f32"
