"""Write the images table: one Parquet file a split, one row a stored copy of an image, one column a concept.

Images are read, rendered and written a few originals at a time, so that memory does not grow with their number.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from pipeline.basis.draws import draw_seed
from pipeline.errors import InputError
from pipeline.files import atomic_folder
from pipeline.params import DataParams
from pipeline.prepare.discovered import with_discovered
from pipeline.prepare.left_out import LeftOut, numbered_cells
from pipeline.prepare.only import with_only
from pipeline.prepare.sources.stored_images import Rendered, Source
from pipeline.prepare.sources.table import open_source
from pipeline.prepare.sources.torchvision_sets import Roots
from pipeline.prepare.splits import split_originals
from pipeline.prepare.tally import Tally
from pipeline.prepare.warp import Warps
from pipeline.progress import Progress
from pipeline.tables.parquet import ROW_GROUP, SPLITS, concept_column, images_schema, table_writer, value_column

__all__ = ["prepare"]

CHUNK = 2**21  # bytes of pixels in memory
GROUP = 2**24  # bytes of pixels in a row group, at most
FEWEST = 16  # rows in a row group, however large the images


def prepare(
    params: DataParams, seed: int, folder: Path, roots: Roots | None = None, source: Source | None = None
) -> dict[str, int]:
    """Render, label and split the images of `params.source` into `folder`/{train,val,test}.parquet.

    Args:
        params: section `data`.
        seed: the study's.
        folder: replaced as a whole.
        roots: where torchvision's data sets lie.
        source: of images that are drawn, not read; None: opened here.

    Returns:
        Number of rows of each split.

    Raises:
        InputError: the source is not there or damaged, or a concept of the source is not among its own, or has only
            one value in a split, or none there that two originals share; a concept that was discovered or sketched
            is called as a column of the source; there is no such cell to leave out, or nothing left of its values, or
            no such class to keep; more images can't be read than `params.corrupt_share` allows.
    """
    source = source or open_source(params, seed, roots or Roots(None, Path(".runs/datasets")))
    _require_new_names(params, source)
    source = with_discovered(with_only(source, params.only), params, seed)
    splits = _split_rows(source, params, draw_seed(seed, "split"))
    copies = {"train": params.copies, "val": 1, "test": 1}
    progress = Progress("prepare", sum(len(rows) * copies[split] for split, rows in splits.items()), unit="image")
    tally = Tally(params.prepared_concepts, source, params.graded)
    cells = numbered_cells(params.leave_out, source, params.prepared_concepts)
    left_out = LeftOut(cells, source.class_names)
    renderer = _Renderer(source, params, seed, tally, _originals(source), left_out)
    done = 0
    counts: dict[str, int] = {}
    with atomic_folder(folder) as beside:
        for split, originals in splits.items():
            metadata = _metadata(source, params, cells)
            schema = images_schema(list(source.categories), source.values)
            rows = renderer.rows(split, originals)
            first = next(rows)
            with table_writer(beside / f"{split}.parquet", schema, metadata) as writer:
                for group in _grouped(first, rows, schema):
                    writer.write(group)
                    done += group.num_rows
                    progress.update(done)
            if split == "train":
                left_out.require_some_left()
            tally.require_two_values(split)
            tally.require_pairs(split)
            counts[split] = writer.rows
        tally.require_few_unread(params.corrupt_share)
    tally.report()
    left_out.report()
    return counts


def _require_new_names(params: DataParams, source: Source) -> None:
    """Refuse to call what was discovered or sketched as a column of the source, of which nobody would see any more."""
    for key, named in {"data.discovered.named": params.discovered.named, "data.sketches": params.sketches}.items():
        if taken := [name for name in named if name in source.columns]:
            raise InputError(
                f"{key}: '{taken[0]}' is a column of source {params.source} already; accepted is another name"
            )


def _split_rows(source: Source, params: DataParams, seed: int) -> dict[str, NDArray[np.int64]]:
    """Row numbers of each split, sorted: rows of one original are in one, and those that are in one stay there."""
    membership = source.membership
    originals = _originals(source)
    kept = np.arange(len(originals)) if membership.kept is None else np.flatnonzero(membership.kept)
    named, places = np.unique(originals[kept], return_index=True)  # an original bears the number of its first row
    firsts = kept[places]  # the first that is kept
    given = None if membership.splits is None else membership.splits[firsts]
    shares = params.val_share, params.test_share
    splits = split_originals(source.strata[firsts], *shares, seed, params.max_images, given)
    if membership.kept is not None:
        print(f"data/images: data.only keeps {len(kept)} of {len(originals)} rows", flush=True)
    if again := len(kept) - len(named):
        print(f"data/images: {again} rows are of a file that an earlier row names: copies of one original", flush=True)
    if given is not None:
        print(f"data/images: {_who_split(given, params)}", flush=True)
    return {name: kept[np.isin(originals[kept], named[part])] for name, part in splits.items()}


def _originals(source: Source) -> NDArray[np.int64]:
    """The original of each row [n]."""
    originals = source.membership.originals
    return np.arange(len(source.strata)) if originals is None else originals


def _who_split(given: NDArray[np.int64], params: DataParams) -> str:
    """Which splits the folders say, and which are drawn."""
    drawn = {"val": f"val: {params.val_share:g}", "test": f"test: {params.test_share:g}"}
    counts = {name: int((given == number).sum()) for number, name in enumerate(SPLITS)}
    said = ", ".join(f"{name} ({count})" for name, count in counts.items() if count)
    rest = ", ".join(share for name, share in drawn.items() if not counts[name])
    return f"splits as the folders say: {said}" + (f"; of train are drawn {rest}" if rest else "")


def _metadata(source: Source, params: DataParams, cells: Sequence[Mapping[str, int]]) -> dict[str, Any]:
    optional = {
        "class_names": {name: list(names) for name, names in source.class_names.items()},
        "graded": {name: length for name, length in params.graded.items() if name in params.prepared_concepts},
        "image_range": source.image_range,
        "leave_out": list(cells),
    }
    return {
        "source": params.source,
        "categories": dict(source.categories),
        "values": dict(source.values),
        "concepts": list(params.prepared_concepts),
        **{key: value for key, value in optional.items() if value},
    }


@dataclass(frozen=True)
class _Renderer:
    """What renders the rows of all splits, and counts them."""

    source: Source
    params: DataParams
    seed: int
    tally: Tally
    originals: NDArray[np.int64]
    left_out: LeftOut

    def rows(self, split: str, originals: NDArray[np.int64]) -> Iterator[tuple[pa.Table, int]]:
        """Rows of all copies of some originals at a time, ids ascending, and the bytes of an image's pixels."""
        warps = self._warps(split, len(originals))
        size, start = 1, 0  # of the first image alone nobody knows how large it is
        while start < len(originals):
            part = slice(start, start + size)
            some, tables, num_bytes = originals[part], [], 0
            for copy, warp in enumerate(warps):
                rendered = self.source.render(some, copy, None if warp is None else warp[part])
                if split != "test":
                    rendered = self.left_out.without(rendered)
                rows = some[rendered.sound]
                if copy == 0:
                    self.tally.add(split, rendered)
                self.tally.add_copy(split, rendered, self.originals[rows])
                num_bytes = int(np.prod(rendered.pixels.shape[1:]))
                columns = {"id": rows * self.params.copies + copy, "original": self.originals[rows]}
                tables.append(_table(columns, split, rendered))
            yield pa.concat_tables(tables).sort_by("id"), num_bytes
            start, size = part.stop, max(1, CHUNK // (num_bytes * len(warps)))

    def _warps(self, split: str, num: int) -> Sequence[Warps | None]:
        """Of `num` originals, one entry a copy; validation and test images are stored once, as they are."""
        if split != "train":
            return [None]
        copies = range(self.params.copies)
        return [Warps.draw(self.params.warp, num, draw_seed(self.seed, "warp", copy)) for copy in copies]


def _grouped(
    first: tuple[pa.Table, int], rest: Iterator[tuple[pa.Table, int]], schema: pa.Schema
) -> Iterator[pa.Table]:
    """The same rows in row groups of one size, the last one smaller."""
    waiting, num_bytes = first
    size = ROW_GROUP
    while size > FEWEST and size * num_bytes > GROUP:
        size //= 2
    for rows, _ in rest:
        waiting = pa.concat_tables([waiting, rows])
        while waiting.num_rows >= size:
            yield waiting.slice(0, size)
            waiting = waiting.slice(size)
    yield waiting if waiting.num_rows else schema.empty_table()


def _table(numbers: Mapping[str, NDArray[np.int64]], split: str, rendered: Rendered) -> pa.Table:
    """Rows with these ids and originals."""
    values = rendered.values
    schema = images_schema(list(rendered.labels), {name: value.shape[1] for name, value in values.items()})
    images = [{"bytes": _png(image), "path": None} for image in rendered.pixels]
    columns: Mapping[str, Any] = {
        **numbers,
        "split": [split] * len(images),
        "image": pa.array(images, schema.field("image").type),
        **{concept_column(name): pa.array(labels, mask=labels < 0) for name, labels in rendered.labels.items()},
        **{
            value_column(name): pa.FixedSizeListArray.from_arrays(pa.array(value.ravel()), value.shape[1])
            for name, value in values.items()
        },
    }
    return pa.table(columns, schema=schema)


def _png(image: NDArray[np.uint8]) -> bytes:
    buffer = BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
