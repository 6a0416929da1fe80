"""What a value of a concept is in its factor: found again from rows made by it, kept as bytes, set as an edit."""

from pathlib import Path

import numpy as np
import pytest
import torch
from training.small_latents import write_latents

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.iin.values import Categories, Continuous, Values, fit_values, read_values, values_as_bytes
from pipeline.interpretation.setting import set_to
from pipeline.tables.latents import Latents, load_latents

LAYOUT = Layout.of(["digit", "colour"], [1, 2, 3])
RNG = np.random.default_rng(0)
TURN = torch.from_numpy(np.linalg.qr(RNG.normal(size=(6, 6)))[0].astype(np.float32))


def turned(latents: torch.Tensor) -> torch.Tensor:
    return latents @ TURN


@pytest.fixture(scope="module")
def latents(tmp_path_factory: pytest.TempPathFactory) -> Latents:
    return load_latents(write_latents(tmp_path_factory.mktemp("latents")), "train")


@pytest.fixture(scope="module")
def values(latents: Latents) -> Values:
    return fit_values(latents, LAYOUT, turned, seed=0)


def test_a_class_is_the_mean_of_its_rows_and_the_spread_is_what_they_differ_by(
    latents: Latents, values: Values
) -> None:
    digit = values["digit"]
    assert isinstance(digit, Categories)
    codes = turned(torch.from_numpy(latents.mean[:])).numpy()[:, LAYOUT.slice("digit")].astype(np.float64)
    labels = latents.labels["digit"]
    means = np.stack([codes[labels == number].mean(axis=0) for number in range(3)])
    assert digit.categories.tolist() == [0, 1, 2]
    assert np.allclose(digit.codes(np.array([2, 0])), means[[2, 0]], atol=1e-6)
    within = codes - means[labels]
    assert np.allclose(digit.spread @ digit.spread.T, within.T @ within / (len(codes) - 3), atol=1e-6)


def test_a_continuous_concept_is_the_regression_of_the_code_on_its_value(latents: Latents) -> None:
    """A code that is a polynomial of two in the value is found again, between the values of the rows, too."""
    shape = RNG.normal(size=(10, 3))

    def code_of(colours: np.ndarray) -> np.ndarray:
        r, g, b = colours.T
        terms = np.stack([np.ones_like(r), r, g, b, r * r, g * g, b * b, r * g, r * b, g * b], axis=1)
        return np.asarray(terms @ shape)

    colours = RNG.random((len(latents), 3)).astype(np.float32)
    made = Latents(**(vars(latents) | {"values": {"colour": colours}}))
    codes = torch.zeros(len(latents), 6, dtype=torch.float64)
    codes[:, 3:] = torch.from_numpy(code_of(colours.astype(np.float64)))
    colour = fit_values(made, LAYOUT, lambda _: codes, seed=0)["colour"]
    assert isinstance(colour, Continuous)
    new = RNG.random((5, 3))
    assert np.allclose(colour.codes(new), code_of(new), atol=1e-3)
    assert np.abs(colour.spread).max() < 1e-3


def test_rows_without_a_value_and_classes_beyond_the_number_of_rows_do_not_count(latents: Latents) -> None:
    labels = latents.labels["digit"].copy()
    labels[labels == 1] = -1
    made = Latents(**(vars(latents) | {"labels": {"digit": labels}, "values": {}}))
    found = fit_values(made, LAYOUT, turned, seed=0)
    assert list(found) == ["digit"]
    assert found["digit"].accepted == "0, 2"
    assert fit_values(made, Layout.of([], [6]), turned, seed=0) == {}


def test_equal_values_are_equal_bytes_and_are_read_back(values: Values, tmp_path: Path) -> None:
    path = tmp_path / "values.safetensors"
    path.write_bytes(values_as_bytes(values))
    again = read_values(path)
    assert values_as_bytes(again) == values_as_bytes(values) == path.read_bytes()
    asked = np.array([[0.1, 0.5, 0.6]])
    assert np.array_equal(again["colour"].codes(asked), values["colour"].codes(asked))  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match="no values of a map's factors"):
        read_values(path)
    with pytest.raises(InputError, match="not there; run `dvc repro`"):
        read_values(tmp_path / "other")


def test_a_concept_is_set_and_nothing_else_moves(values: Values) -> None:
    codes = torch.from_numpy(RNG.normal(size=(300, 6)).astype(np.float32))
    edited = set_to(values, "digit", "2")(codes, LAYOUT)
    assert torch.equal(edited[:, 0], codes[:, 0])
    assert torch.equal(edited[:, 3:], codes[:, 3:])
    wanted = values["digit"].codes(np.array([2]))  # type: ignore[arg-type]
    assert np.allclose(edited[:, 1:3], np.broadcast_to(wanted, (300, 2)), atol=1e-6)
    drawn = set_to(values, "digit", 2, seed=3)(codes, LAYOUT)[:, 1:3].double().numpy()
    assert np.allclose(drawn.mean(axis=0), wanted, atol=0.1)
    spread = values["digit"].spread
    assert np.allclose(np.cov(drawn.T), spread @ spread.T, atol=0.05)
    assert np.array_equal(drawn, set_to(values, "digit", 2, seed=3)(codes, LAYOUT)[:, 1:3].double().numpy())


def named() -> Values:
    classes = Categories(np.array([0, 2]), np.eye(2), np.eye(2), ("cat", "dog", "hen"))
    colour = Continuous(np.zeros(3), np.array([1.0, 0.9, 1.0]), np.eye(10)[:, :3], np.eye(3))
    age = Continuous(np.array([18.0]), np.array([90.0]), np.ones((3, 1)), np.eye(1))
    return {"animal": classes, "colour": colour, "age": age}


@pytest.mark.parametrize(
    ("concept", "value", "read"),
    [
        ("animal", "hen", [2]),
        ("animal", 0, [0]),
        ("animal", "0", [0]),
        ("colour", "red", [[1, 0, 0]]),
        ("colour", "#00ff00", [[0, 0.9, 0]]),  # the greenest that training rows have
        ("colour", "0.5,0.25,0", [[0.5, 0.25, 0]]),
        ("colour", (0.5, 0.25, 0), [[0.5, 0.25, 0]]),
        ("age", "30", [[30]]),
        ("age", 92.5, [[92.5]]),  # a little beyond the oldest
    ],
)
def test_a_value_goes_by_number_name_or_colour(concept: str, value: str | float, read: list[float]) -> None:
    assert np.allclose(named()[concept].read(value), read)


@pytest.mark.parametrize(
    ("concept", "value", "message"),
    [
        ("animal", "dog", "set animal: found 'dog', which no training row has; accepted are cat, hen"),
        ("animal", 0.5, "set animal: found 0.5, which no training row has; accepted are cat, hen"),
        ("animal", [0, 2], r"set animal: found \[0, 2\], which no training row has"),
        ("colour", "reddish", "accepted are 3 numbers, of 0 to 1; 0 to 0.9; 0 to 1, or the name of a colour"),
        ("colour", "0.5,0.5", "set colour: found '0.5,0.5', which no training row has"),
        ("age", 200, "set age: found 200, which no training row has; accepted are 18 to 90"),
        ("age", "nan", "set age: found 'nan', which no training row has"),
        ("shape", 1, "set: the map knows no values of 'shape', accepted are animal, colour, age"),
    ],
)
def test_what_no_training_row_has_is_refused(concept: str, value: str | float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        set_to(named(), concept, value)


def test_a_map_without_values_says_so() -> None:
    with pytest.raises(InputError, match="it knows none: train it anew, `dvc repro`"):
        set_to({}, "digit", 1)
