import numpy as np
import pytest

from pipeline.scores.statistics.concepts import as_concepts, perfect_code, varying_concepts


def test_a_mapping_keeps_names_and_order() -> None:
    found = as_concepts({"digit": [3, 1, 2], "smile": [True, False, True], "colour": np.ones((3, 2), np.float32)}, 3)
    assert list(found) == ["digit", "smile", "colour"]
    assert found["digit"].tolist() == [3, 1, 2]
    assert found["smile"].tolist() == [1, 0, 1]
    assert found["colour"].dtype == np.float64
    assert found["colour"].shape == (3, 2)


def test_single_values_become_one_component() -> None:
    assert as_concepts({"angle": np.array([0.5, 1.5])}, 2)["angle"].tolist() == [[0.5], [1.5]]


def test_a_plain_array_has_one_concept_a_column() -> None:
    attributes = np.random.default_rng(0).integers(2, size=(30, 40))
    found = as_concepts(attributes, 30)
    assert list(found) == [str(number) for number in range(40)]
    assert all((found[str(number)] == attributes[:, number]).all() for number in range(40))
    assert as_concepts(attributes.astype(bool), 30)["7"].dtype == np.int64
    values = as_concepts(attributes + 0.5, 30)
    assert values["39"].shape == (30, 1)
    assert (values["39"][:, 0] == attributes[:, 39] + 0.5).all()


@pytest.mark.parametrize(
    ("concepts", "says"),
    [
        ({}, "none is given"),
        (np.zeros((9, 0)), "none is given"),
        (np.zeros(9), r"found shape \(9,\)"),
        (np.zeros((8, 2)), r"found shape \(8, 2\); .*\(9, K\)"),
        (np.full((9, 2), "a"), "concept '0': found <U1"),
        (np.where(np.arange(18).reshape(9, 2) == 5, np.inf, 1.0), "concept '1': row 2 holds inf"),
        ({"digit": np.arange(8)}, r"concept 'digit': found int64 of shape \(8,\)"),
        ({"colour": np.zeros((9, 0))}, r"concept 'colour': found float64 of shape \(9, 0\)"),
        ({"colour": np.where(np.arange(9) == 4, np.nan, 1.0)}, "concept 'colour': row 4 holds nan"),
    ],
)
def test_what_is_no_concept_is_refused_by_name(concepts: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        as_concepts(concepts, 9)


def test_what_is_constant_up_to_rounding_is_left_out() -> None:
    rounding = 1e6 + 1e-10 * np.arange(9)
    colour = np.stack([np.arange(9.0), np.full(9, 0.1), rounding], axis=1)
    concepts = {"digit": np.arange(9), "smile": np.ones(9, dtype=int), "colour": colour, "angle": rounding}
    kept = varying_concepts(as_concepts(concepts, 9))
    assert list(kept) == ["digit", "colour"]
    assert kept["colour"].tolist() == [[number] for number in range(9)]


def test_a_perfect_code_holds_the_labels() -> None:
    code = perfect_code({"digit": np.array([70, -3, 70, 5]), "colour": np.arange(8.0).reshape(4, 2)})
    assert code.tolist() == [[2, 0, 1], [0, 2, 3], [2, 4, 5], [1, 6, 7]]
