"""Rows of float32 in a file, read where they are asked for, so that no more of a table is in memory than is used."""

import os
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["StoredRows"]


class StoredRows:
    """Rows [n, N] of a file of bare float32, indexed as an array is: by a slice, or by the numbers of rows.

    They are read and not mapped: a page that is mapped, with its neighbours, would stay in the process's memory.

    Args:
        path: of the file, which may be removed while it is read.
        num_dims: N.
    """

    def __init__(self, path: Path, num_dims: int) -> None:
        self._file = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._file)
        self._width = 4 * num_dims  # bytes of a row
        self.shape = (os.fstat(self._file).st_size // self._width, num_dims)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> NDArray[np.float32]:
        """Rows [m, N], in the order of their numbers."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step != 1:
                return self[np.arange(start, stop, step)]
            found = np.empty((max(0, stop - start), self.shape[1]), np.float32)
            self._read(found.data.cast("B") if found.size else memoryview(b""), start)
            return found
        found = np.empty((len(rows), self.shape[1]), np.float32)
        for place, row in enumerate(rows.tolist()):
            self._read(found[place].data.cast("B"), row)
        return found

    def _read(self, into: memoryview, row: int) -> None:
        """Fill bytes from the beginning of a row on."""
        place = row * self._width
        while into:
            found = os.pread(self._file, len(into), place)
            if not found:
                raise IndexError(f"row {row} is asked for, of {len(self)}")
            into[: len(found)] = found
            into, place = into[len(found) :], place + len(found)
