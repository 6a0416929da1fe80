"""What a column is taken for, whatever program wrote it."""

from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from refusals import refusal_of

from pipeline.prepare.sources.concepts import Concepts, concepts_of


def concept(column: Any, graded: dict[str, float] | None = None, names: Sequence[str] = ()) -> Concepts:
    table = pa.table({"kind": column})
    return concepts_of(table, ["kind"], graded or {}, {"kind": names} if names else {}, "a.csv")


def refusal(table: pa.Table, chosen: Sequence[str] = ("kind",)) -> str:
    return refusal_of(concepts_of, table, chosen, {}, {}, "a.csv")


WORDS, NUMBERS = ["b", "a", None, "b", "", "a"], [2, 1, None, 2, None, 1]
LABELS = [1, 0, -1, 1, -1, 0]
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]


def dictionary(values: Any, kind: pa.DataType, index: pa.DataType) -> pa.Array:
    """As pandas and Polars write categories, the dictionary in another order than their names."""
    places = {"b": 0, "a": 1, "": 2, 2: 0, 1: 1, None: None}
    inner = pa.array(["b", "a", ""] if "b" in values else [2, 1], kind)
    return pa.DictionaryArray.from_arrays(pa.array([places[value] for value in values], index), inner)


@pytest.mark.parametrize(
    "column",
    [
        *(pa.array(WORDS, kind) for kind in (pa.string(), pa.large_string(), pa.string_view())),
        *(dictionary(WORDS, kind, pa.int8()) for kind in (pa.string(), pa.large_string(), pa.string_view())),
        dictionary(WORDS, pa.large_string(), pa.uint32()),
        pa.chunked_array([pa.array(WORDS[:3], pa.large_string()), pa.array(WORDS[3:], pa.large_string())]),
    ],
    ids=lambda column: str(column.type),
)
def test_every_type_of_strings_is_classes(column: Any) -> None:
    found = concept(column)
    assert found.labels["kind"].tolist() == LABELS
    assert (found.categories, found.class_names, found.values) == ({"kind": 2}, {"kind": ("a", "b")}, {})


@pytest.mark.parametrize(
    "column",
    [
        *(pa.array(NUMBERS, kind) for kind in INTEGERS),
        *(pa.array(NUMBERS, kind) for kind in (pa.float32(), pa.float64())),
        pa.array([np.float16(value) if value else None for value in NUMBERS], pa.float16()),
        pa.array([2.0, 1.0, np.nan, 2.0, np.nan, 1.0]),
        *(
            pa.array([None if value is None else Decimal(value) for value in NUMBERS], kind)
            for kind in (pa.decimal128(5, 0), pa.decimal128(5, 2), pa.decimal256(9, 0))
        ),
        *(dictionary(NUMBERS, pa.int64(), index) for index in (pa.int8(), pa.uint32())),
    ],
    ids=lambda column: str(column.type),
)
def test_whole_numbers_are_classes_with_gaps_or_without(column: Any) -> None:
    found = concept(column)
    assert found.labels["kind"].tolist() == LABELS
    assert (found.class_names, found.values) == ({"kind": ("1", "2")}, {})
    named = concept(column, names=["x", "y", "z"])
    assert named.labels["kind"].tolist() == [2, 1, -1, 2, -1, 1]
    assert named.class_names == {"kind": ("x", "y", "z")}


def test_booleans_are_classes() -> None:
    found = concept(pa.array([True, None, False, True, False]))
    assert found.labels["kind"].tolist() == [1, -1, 0, 1, 0]
    assert found.class_names == {"kind": ("False", "True")}


def test_integers_beyond_those_with_a_sign_are_told_apart() -> None:
    large = [2**64 - 1, 2**64 - 2, 2**64 - 1, 3]
    assert concept(pa.array(large, pa.uint64())).labels["kind"].tolist() == [1, 0, 1, 2]
    parts = pa.chunked_array([pa.array([3, 3], pa.uint64()), pa.array(large[:2], pa.uint64())])
    assert len(set(concept(parts).labels["kind"].tolist())) == 3


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0.5, 1.0, None, 0.5]),
        pa.array([0.5, 1.0, np.inf, 0.5], pa.float32()),
        pa.array([Decimal("0.5"), Decimal("1.0"), None, Decimal("0.5")], pa.decimal128(5, 1)),
    ],
    ids=lambda column: str(column.type),
)
def test_numbers_with_a_fraction_are_continuous(column: Any) -> None:
    found = concept(column)
    assert found.labels["kind"].tolist() == [0, 1, -1, 0]
    assert np.array_equal(found.values["kind"], np.array([[0.5], [1], [np.nan], [0.5]]), equal_nan=True)


@pytest.mark.parametrize("column", [pa.array([3, 5, None, 3]), pa.array([3.0, 5.0, np.nan, 3.0])])
def test_graded_whole_numbers_are_continuous(column: Any) -> None:
    found = concept(column, {"kind": 2.0})
    assert found.values["kind"][:2].tolist() == [[3], [5]]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([date(2020, 1, 1)] * 2, "date32[day]"),
        ([datetime(2020, 1, 1)] * 2, "timestamp[us]"),
        ([time(1)] * 2, "time64[us]"),
    ],
)
def test_dates_are_refused_by_name(values: Any, kind: str) -> None:
    assert refusal(pa.table({"kind": values})) == (
        f"a.csv: concept 'kind' holds dates or times ({kind}); accepted are integers, booleans, strings and numbers, "
        "such as years"
    )


def test_what_is_none_of_these_is_refused_by_name() -> None:
    assert refusal(pa.table({"kind": [[1], [2]]})).startswith("a.csv: concept 'kind' is of type list<")
    for missing in (pa.nulls(2), pa.array([np.nan, np.nan]), pa.array(["", " "])):
        assert refusal(pa.table({"kind": missing})) == "a.csv: concept 'kind' is missing in every row"
    twice = pa.table([pa.array([1, 1]), pa.array([2, 2]), pa.array([3, 3])], names=["kind", "other", "kind"])
    assert refusal(twice) == "a.csv: column 'kind' is there 2 times, expected is one of that name"
    assert refusal(twice, ["shape"]) == (
        "data.concepts: no concept 'shape' in a.csv; its columns are kind, other, kind"
    )


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ([5, 6, 7], "data.graded: {kind: length} pairs rows by the distance of their values"),
        (["a", "b", "c"], "classes repeat"),
    ],
)
def test_values_that_are_all_different_have_no_pairs(values: Any, hint: str) -> None:
    assert refusal(pa.table({"kind": values})) == (
        f"a.csv: concept 'kind': no two of its 3 values are equal, so that there are no pairs; {hint}"
    )
