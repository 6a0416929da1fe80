"""What names the images of a generator: a person's function, or a network that another study trained."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from backbone.generators import HERE, name_raising, params, prepared
from refusals import refusal_of

from pipeline.backbone.backbone import save_backbone
from pipeline.backbone.kinds import load_backbone, make_backbone
from pipeline.errors import InputError
from pipeline.judge.network import JudgeNet, save_judge, save_no_judge
from pipeline.params import BackboneParams
from pipeline.prepare.sources.generator import generated_source, open_labeller
from pipeline.tables.images import Images, load_images, to_unit_range

PIXELS = np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("name_nothing", "data.labeller: backbone.generators:name_nothing returned an int, expected a mapping"),
        (
            "name_too_few",
            "data.labeller: column 'left' of backbone.generators:name_too_few has 63 entries for 64 images",
        ),
        (
            "name_raising",
            "data.labeller: backbone.generators:name_raising raised ValueError: all input arrays must have the same "
            rf"shape \(tests/backbone/generators.py:{name_raising.__code__.co_firstlineno + 1}\)$",
        ),
        ("name_halfs", "data.labeller: no callable 'name_halfs' in backbone.generators; nearest are name_halves"),
    ],
)
def test_a_labeller_that_names_nothing_is_one_line(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        generated_source(params(labeller=f"{HERE}:{name}"))


def test_classes_keep_the_names_that_the_labeller_knows(tmp_path: Path) -> None:
    """Those too that it sees in no image, in their order."""
    names = {"digit": ["no", "yes", "ten"]}
    images = Images(np.arange(2), np.arange(2), PIXELS, {"digit": np.arange(2)}, {}, {"digit": 3}, names)
    network = JudgeNet({"digit": 3}, 8, 0)
    with torch.no_grad():
        network.heads["digit"].bias.copy_(torch.tensor([0, 0, -100.0]))
        network.heads["digit"].weight[:2] = torch.randn(2, 128, generator=torch.Generator().manual_seed(0))
    save_judge(tmp_path / "judge", network, 8, images, metrics="")
    study = params(labeller=str(tmp_path / "judge"), concepts=["digit"], graded={})
    test = load_images(prepared(tmp_path, study), "test")
    assert (test.class_names, test.num_categories) == (names, {"digit": 3})


def test_a_concept_that_is_not_named_and_a_labeller_that_is_nowhere_are_one_line() -> None:
    with pytest.raises(InputError, match=r"no concept 'shape' in labeller .*; its columns are left, right, third"):
        generated_source(params(concepts=["left", "shape"], graded={}))
    with pytest.raises(InputError, match=r"data.labeller: found 'nowhere', which is no folder"):
        generated_source(params(labeller="nowhere"))


def test_a_trained_judge_or_classifier_names_images(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    images = Images(
        id=np.arange(2),
        original=np.arange(2),
        pixels=PIXELS,
        labels={"digit": np.arange(2), "colour": np.arange(2), "size": np.arange(2)},
        values={"colour": rng.random((2, 3), np.float32), "size": rng.random((2, 1), np.float32)},
        num_categories={"digit": 4, "colour": 2, "size": 2},
        class_names={"digit": ["zero", "one", "two", "three"], "shade": ["light", "dark"]},
    )
    save_judge(tmp_path / "judge", JudgeNet({"digit": 4, "colour": 3, "size": 1}, 8, 0), 8, images, metrics="")
    labeller = open_labeller(str(tmp_path / "judge"), "cpu")
    assert labeller.class_names == {"digit": ["zero", "one", "two", "three"]}
    table = labeller(PIXELS)
    assert table.column_names == ["digit", "colour_0", "colour_1", "colour_2", "size"]
    assert table["digit"].type == pa.int64()
    section = BackboneParams(
        kind="torch", network="pipeline.backbone.classifier:Classifier", concept="digit",
        arguments={"num_classes": 4, "width": 8, "seed": 0},
    )  # fmt: skip
    save_backbone(tmp_path / "classifier", make_backbone(section, images, 0))
    expected = load_backbone(tmp_path / "classifier").run(to_unit_range(PIXELS)).argmax(dim=1).tolist()
    labeller = open_labeller(str(tmp_path / "classifier"), "cpu")
    assert labeller(PIXELS).to_pydict() == {"digit": expected}
    assert labeller.class_names == {"digit": ["zero", "one", "two", "three"]}
    save_backbone(tmp_path / "other", make_backbone(section.model_copy(update={"concept": None}), images, 0))
    with pytest.raises(InputError, match="holds a network of kind 'torch' that names no concept"):
        open_labeller(str(tmp_path / "other"), "cpu")
    assert refusal_of(open_labeller, str(tmp_path), "cpu") == (
        f"data.labeller: {tmp_path} holds no card.json, expected the folder of a judge or a classifier; found "
        f"{tmp_path}/classifier and {tmp_path}/judge and {tmp_path}/other"
    )
    (tmp_path / "judge/weights.safetensors").unlink()
    assert refusal_of(open_labeller, str(tmp_path / "judge"), "cpu").startswith(f"data.labeller: {tmp_path}/judge/we")
    save_no_judge(tmp_path / "none", "not needed")
    with pytest.raises(InputError, match=r"data.labeller: .*none holds no judge, as its study needed none"):
        open_labeller(str(tmp_path / "none"), "cpu")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import json\n\ndef names(pixels):\n    return json.loads('?')\n",
         "own:names raised JSONDecodeError: Expecting value: line 1 column 1 (char 0) (own.py:4)"),
        ("def names(pixels):\n    raise KeyError\n", "own:names raised KeyError (own.py:2)"),
        ("\nx = 1 / 0\n", "module 'own' raised ZeroDivisionError: division by zero (own.py:2) when it was imported"),
        ("x =\n", "module 'own' raised SyntaxError: invalid syntax (own.py, line 1) when it was imported"),
    ],
)  # fmt: skip
def test_what_own_code_raises_is_one_line_with_the_place_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str, message: str
) -> None:
    """Not the place in a library that it got to, which says nothing to a person."""
    (tmp_path / "own.py").write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own", raising=False)
    assert refusal_of(lambda: open_labeller("own:names", "cpu")(PIXELS)) == f"data.labeller: {message}"
