import json
import subprocess
import sys

import pytest

from pipeline.basis.layout import RESIDUAL, Layout

LAYOUT = Layout.of(["digit", "colour"], [16, 7, 9])


def test_names_sizes_and_slices() -> None:
    assert (LAYOUT.names, LAYOUT.sizes) == ((RESIDUAL, "digit", "colour"), (16, 7, 9))
    assert (LAYOUT.num_dims, LAYOUT.num_factors, LAYOUT.concepts) == (32, 3, ("digit", "colour"))
    assert LAYOUT.slices == (slice(0, 16), slice(16, 23), slice(23, 32))
    assert [LAYOUT.index(name) for name in LAYOUT.names] == [0, 1, 2]
    assert LAYOUT.slice("colour") == slice(23, 32)


def test_slices_cover_a_code_once() -> None:
    dims = list(range(LAYOUT.num_dims))
    assert [dim for part in LAYOUT.slices for dim in dims[part]] == dims


def test_no_concept_leaves_the_residual_alone() -> None:
    layout = Layout.of([], [5])
    assert (layout.num_dims, layout.num_factors, layout.concepts, layout.slices) == (5, 1, (), (slice(0, 5),))


def test_round_trip_through_json() -> None:
    assert Layout.from_dict(json.loads(json.dumps(LAYOUT.as_dict()))) == LAYOUT


@pytest.mark.parametrize(
    ("names", "sizes", "message"),
    [
        (("residual", "digit"), (1, 2, 3), "2 names .* but 3 sizes"),
        (("digit", "residual"), (1, 2), "the first factor must be 'residual', found \\('digit',\\)"),
        ((), (), "the first factor must be 'residual'"),
        (("residual", "digit", "digit"), (1, 2, 3), "named twice"),
        (("residual", "digit"), (1, 0), "at least 1, found \\(1, 0\\)"),
    ],
)
def test_an_impossible_layout_is_refused(names: tuple[str, ...], sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Layout(names, sizes)


def test_an_unknown_factor_is_answered_with_the_known_ones() -> None:
    for lookup in (LAYOUT.index, LAYOUT.slice):
        with pytest.raises(ValueError, match="no factor is named 'shape'; the factors are residual, digit, colour"):
            lookup("shape")


def test_imports_the_standard_library_alone() -> None:
    script = (
        "import sys; before = set(sys.modules); import pipeline.basis.layout; "
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "['pipeline']\n"
