from pathlib import Path

import numpy as np
import pytest
from interpret.subjects import assert_legible, find, open_png
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

from pipeline.concepts.candidates import WIDEST, Candidate, clusters, direction
from pipeline.concepts.sheet import candidate_sheet, said
from pipeline.drawing.sheet import house_style

KINDS = np.repeat([0, 1, 2], (600, 400, 200))


def drawn(seed: int, num_dims: int = 6, apart: float = 5.0) -> NDArray[np.float32]:
    """Rows of three kinds, of which the first is the most frequent, `apart` standard deviations from each other."""
    rng = np.random.default_rng(seed)
    return (apart * np.eye(3, num_dims)[KINDS] + rng.normal(size=(len(KINDS), num_dims))).astype(np.float32)


def found(apart: float = 5.0, num_dims: int = 6, num: int = 3) -> Candidate:
    original = np.arange(len(KINDS)) // 2
    return clusters(drawn(0, num_dims, apart), original, drawn(1, num_dims, apart), num, seed=4)


@pytest.mark.parametrize("num_dims", [6, WIDEST + 8])
def test_kinds_that_there_are_come_out_whoever_looks(num_dims: int) -> None:
    three = found(num_dims=num_dims)
    assert (three.name, three.names) == ("clusters_3", ["cluster 0", "cluster 1", "cluster 2"])
    assert adjusted_rand_score(KINDS, three.label(drawn(2, num_dims))) > 0.95
    assert three.agreement > 0.9
    assert three.gain is not None
    assert three.gain > 0.5


def test_the_largest_cluster_is_the_first() -> None:
    assert np.bincount(found().label(drawn(2))).tolist() == sorted(np.bincount(KINDS).tolist(), reverse=True)


def test_kinds_that_there_are_not_agree_with_nothing() -> None:
    none = found(apart=0.0)
    assert none.agreement < 0.3
    assert none.gain is not None
    assert none.gain < 0.1


def test_it_is_found_again_from_the_same_rows() -> None:
    assert found().label(drawn(2)).tobytes() == found().label(drawn(2)).tobytes()


def test_a_direction_has_thirds_and_agrees_with_directions_that_are_alike() -> None:
    part, held_out = drawn(0, apart=0), drawn(1, apart=0)
    first, second = np.eye(2, 6, dtype=np.float32)
    close = first + 0.1 * second
    same, alike, other = (direction(part, held_out, [first, vector], 2) for vector in (-first, close, second))
    assert (same.name, same.names, same.gain) == ("direction_2", ("low", "middle", "high"), None)
    assert np.bincount(same.label(part)).tolist() == [400, 400, 400]
    assert (np.diff(part[np.argsort(same.label(part), kind="stable"), 0].reshape(3, 400).mean(axis=1)) > 0.5).all()
    assert same.agreement > 0.95 > alike.agreement > 0.5 > 0.1 > abs(other.agreement)


def test_the_sheet_shows_images_of_each_class_and_how_far_to_trust_it(tmp_path: Path) -> None:
    candidates = [found(), Candidate("direction_1", ("low", "high"), lambda rows: np.zeros(len(rows), np.int64), 0.25)]
    pixels = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    labels = {"clusters_3": np.array([0, 0, 0, 1, 1, 2]), "direction_1": np.zeros(6, np.int64)}
    with house_style():
        sheet = candidate_sheet(candidates, labels, pixels, "the residual", seed=0)
        assert_legible(sheet.figure)
        sheet.save(tmp_path / "sheet.png")
    assert said(candidates[1]) == "agreement when found anew 0.25"
    for gain, words in ((0.26, "0.3 nats an image better"), (-0.26, "0.3 nats an image worse")):
        cluster = Candidate("clusters_2", ("0", "1"), candidates[1].label, 0.25, gain)
        assert said(cluster) == f"agreement when found anew 0.25, {words} than one Gaussian"
    picture = open_png(tmp_path / "sheet.png")
    tops = [sorted(top for top, _ in find(picture, image.repeat(2, axis=0).repeat(2, axis=1))) for image in pixels]
    assert [len(top) for top in tops] == [2] * 6
    assert tops[0][0] == tops[1][0] == tops[2][0] < tops[3][0] == tops[4][0] < tops[5][0]
    assert len({top[1] for top in tops}) == 1, "all are of one class of the direction"
