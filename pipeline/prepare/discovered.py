"""Candidates for concepts that a code offered: their table, and a source that has the named ones as concepts.

`python -m pipeline.concepts discover` writes the table, a row an image by its id in the images table, and a column a
candidate with a class each. Ids, colours and warps of copies follow from the seed and from section `data`, which the
table therefore keeps: of other images it says nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import InputError, one_line
from pipeline.files import atomic_file
from pipeline.params import DataParams
from pipeline.prepare.sources.stored_images import Rendered, Source, Wrapped
from pipeline.prepare.warp import Warps

__all__ = ["CandidateTable", "Discovered", "with_discovered"]

_KEY = b"candidates"
_ELSEWHERE = {"concepts", "discovered", "graded", "corrupt_share", "leave_out"}  # keys that change no image and no id


@dataclass(frozen=True)
class CandidateTable:
    """Classes of images.

    Attributes:
        ids: of the images, ascending [n].
        labels: candidate → class [n].
        names: candidate → what its classes are called.
        images: seed and section `data` that the images follow from.
    """

    ids: NDArray[np.int64]
    labels: Mapping[str, NDArray[np.int64]]
    names: Mapping[str, Sequence[str]]
    images: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Write a Parquet table."""
        record = {"names": {name: list(names) for name, names in self.names.items()}, "images": dict(self.images)}
        columns = {"id": self.ids, **self.labels}
        table = pa.table(columns).replace_schema_metadata({_KEY: json.dumps(record)})
        with atomic_file(path) as beside:
            pq.write_table(table, beside)

    @classmethod
    def read(cls, path: Path) -> "CandidateTable":
        """Read it.

        Raises:
            InputError: it is none.
        """
        try:
            table = pq.read_table(path)
            record = json.loads((table.schema.metadata or {})[_KEY])
        except (OSError, pa.ArrowInvalid, KeyError) as error:
            wanted = "expected is a table that python -m pipeline.concepts discover wrote"
            raise InputError(f"data.discovered.table: {path}: {wanted} ({one_line(error)})") from None
        labels = {name: table[name].to_numpy() for name in record["names"]}
        return cls(table["id"].to_numpy(), labels, record["names"], record["images"])

    @staticmethod
    def images_of(params: DataParams, seed: int) -> dict[str, Any]:
        """What the images of a study follow from, dotted: the seed and section `data`, without its concepts."""
        return {"seed": seed} | {
            f"data.{key}": value for key, value in params.model_dump(mode="json", exclude=_ELSEWHERE).items()
        }


class Discovered(Wrapped):
    """A source with the named candidates beside its own concepts (a `Source`).

    Its `labels` are the source's: each copy has a candidate's class of its own.

    Args:
        source: of the images.
        table: of candidates.
        named: concept → candidate.
        copies: stored ones of a training image.
    """

    def __init__(self, source: Source, table: CandidateTable, named: Mapping[str, str], copies: int) -> None:
        super().__init__(source)
        self._table, self._copies = table, copies
        self._labels = {name: table.labels[candidate] for name, candidate in named.items()}
        names = {name: list(table.names[candidate]) for name, candidate in named.items()}
        self.categories: Mapping[str, int] = {**source.categories} | {name: len(of) for name, of in names.items()}
        self.class_names: Mapping[str, Sequence[str]] = {**source.class_names, **names}

    def render(self, originals: NDArray[np.int64], copy: int, warps: Warps | None) -> Rendered:
        """Each row [m] as the source has it, and what the table says of that copy."""
        rendered = self._source.render(originals, copy, warps)
        ids = originals[rendered.sound] * self._copies + copy
        rows = np.searchsorted(self._table.ids, ids).clip(max=len(self._table.ids) - 1)
        if (unknown := self._table.ids[rows] != ids).any():
            raise InputError(
                f"data.discovered.table: no image {ids[unknown][0]}: it is of other images; run "
                "`python -m pipeline.concepts discover` on these"
            )
        return replace(rendered, labels=rendered.labels | {name: of[rows] for name, of in self._labels.items()})


def with_discovered(source: Source, params: DataParams, seed: int) -> Source:
    """The source, and as concepts of it the candidates that `data.discovered` names.

    Raises:
        InputError: the table is none, or of other images; there is no such candidate.
    """
    named, path = params.discovered.named, params.discovered.table
    if path is None:
        return source
    table = CandidateTable.read(Path(path))
    here = CandidateTable.images_of(params, seed)
    for key, value in here.items():
        if table.images.get(key) != value:
            raise InputError(f"{key}: found {value!r}, but {path} was discovered with {table.images.get(key)!r}")
    for name, candidate in named.items():
        if candidate not in table.labels:
            accepted = ", ".join(table.labels)
            raise InputError(f"data.discovered.named: {name}: no candidate '{candidate}' in {path}; it has {accepted}")
    return Discovered(source, table, named, params.copies)
