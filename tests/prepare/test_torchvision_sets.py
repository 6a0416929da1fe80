"""Torchvision's data sets from a root, in their own layout, written here."""

import pickle
import struct
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from pipeline.errors import InputError
from pipeline.params import DataParams
from pipeline.prepare.sources.table import SOURCES, open_source
from pipeline.prepare.sources.torchvision_sets import Roots
from prepare.test_sources import HERE, NUM, RNG, content, params, refusal


def idx(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes())


def mnist_root(root: Path, name: str) -> np.ndarray:
    pixels = RNG.integers(0, 256, (NUM, 28, 28), dtype=np.uint8)
    for part, rows in (("train", slice(0, 80)), ("t10k", slice(80, NUM))):
        idx(root / name / f"raw/{part}-images-idx3-ubyte", pixels[rows])
        idx(root / name / f"raw/{part}-labels-idx1-ubyte", (np.arange(NUM) % 10)[rows].astype(np.uint8))
    return pixels


@pytest.mark.parametrize(
    ("source", "name", "concept"), [("mnist", "MNIST", "digit"), ("fashion_mnist", "FashionMNIST", "article")]
)
def test_mnist_of_a_root(tmp_path: Path, source: str, name: str, concept: str) -> None:
    pixels = mnist_root(tmp_path / "root", name)
    found = open_source(params(source=source, concepts=(concept,)), 0, Roots(str(tmp_path / "root"), Path("none")))
    rendered = found.render(np.array([3, 99]), 0, None)
    assert rendered.pixels.shape == (2, 32, 32, 3)
    assert np.array_equal(rendered.pixels[:, 2:30, 2:30, 0], pixels[[3, 99]])
    assert rendered.pixels[:, :2].max() == 0
    assert rendered.labels[concept].tolist() == [3, 9]
    assert len(found.class_names[concept]) == 10


def test_the_root_may_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mnist_root(tmp_path / "root", "MNIST")
    monkeypatch.setenv("IIN_DATA_ROOT", str(tmp_path / "root"))
    of = params(source="colormnist", digits="mnist", num_colours=4, concepts=("digit", "colour"))
    assert len(open_source(of, 0, HERE).strata) == NUM
    monkeypatch.setenv("IIN_DATA_ROOT", str(tmp_path / "elsewhere"))
    line = refusal(tmp_path, of)
    assert line.startswith(f"MNIST: {tmp_path / 'elsewhere'}: not there (Dataset not found")
    assert "in machine.data_root or the folder that IIN_DATA_ROOT names" in line


def test_cifar10_of_a_root(tmp_path: Path) -> None:
    folder, pixels = tmp_path / "cifar-10-batches-py", RNG.integers(0, 256, (60, 3072), dtype=np.uint8)
    folder.mkdir()
    for number, name in enumerate([*(f"data_batch_{part}" for part in range(1, 6)), "test_batch"]):
        rows = slice(10 * number, 10 * number + 10)
        (folder / name).write_bytes(pickle.dumps({"data": pixels[rows], "labels": list(range(10))}))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    with pytest.raises(InputError, match=r"CIFAR10: .* not there"):  # torchvision checks that these are the real files
        open_source(params(source="cifar10", concepts=("class",)), 0, Roots(str(tmp_path), Path("none")))
    with pytest.MonkeyPatch.context() as patch:
        from torchvision.datasets import CIFAR10

        patch.setattr(CIFAR10, "_check_integrity", lambda _: True)
        patch.setattr("torchvision.datasets.cifar.check_integrity", lambda *_: True)
        found = open_source(params(source="cifar10", concepts=("class",)), 0, Roots(str(tmp_path), Path("none")))
    rendered = found.render(np.array([0, 57]), 0, None)
    assert np.array_equal(rendered.pixels[1], pixels[57].reshape(3, 32, 32).transpose(1, 2, 0))
    assert rendered.labels["class"].tolist() == [0, 7]


def test_celeba_of_a_root(tmp_path: Path) -> None:
    folder = tmp_path / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    names = [f"{row:06d}.jpg" for row in range(1, 31)]
    for row, name in enumerate(names):
        face = np.full((218, 178, 3), 255, np.uint8)
        face[29:189, 9:169] = 5 * row  # the square of 160 in the middle
        (folder / "img_align_celeba" / name).write_bytes(content(face, "PNG"))
    smiling = [1 if row % 3 else -1 for row in range(30)]
    lines = [f"{name} {smile} -1" for name, smile in zip(names, smiling, strict=True)]
    (folder / "list_attr_celeba.txt").write_text("\n".join(["30", "Smiling Eyeglasses", *lines, ""]))
    for file in ("list_bbox_celeba.txt", "list_landmarks_align_celeba.txt"):
        (folder / file).write_text("\n".join(["30", "a b", *(f"{name} 1 2" for name in names), ""]))
    for file in ("list_eval_partition.txt", "identity_CelebA.txt"):
        (folder / file).write_text("\n".join([*(f"{name} {row % 3}" for row, name in enumerate(names)), ""]))
    roots = Roots(str(tmp_path), Path("none"))
    found = open_source(params(source="celeba", concepts=("Smiling",)), 0, roots)
    rendered = found.render(np.arange(30), 0, None)
    assert rendered.pixels.shape == (30, 64, 64, 3)
    assert all((rendered.pixels[row] == 5 * row).all() for row in range(30))
    assert rendered.labels["Smiling"].tolist() == [int(smile > 0) for smile in smiling]
    assert found.categories == {"Smiling": 2, "Eyeglasses": 2}


def test_every_source_that_is_read_has_a_line_in_the_table_and_no_other_name_is_taken_for_one() -> None:
    assert {*SOURCES, "generator"} == set(get_args(DataParams.model_fields["source"].annotation))
    with pytest.raises(InputError, match=r"data\.source: found 'generator', accepted are colormnist, mnist"):
        open_source(DataParams.model_construct(source="generator"), 0, HERE)
