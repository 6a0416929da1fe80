import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone.toys import toy_images, write_images
from safetensors.torch import load_file

from pipeline.errors import InputError
from pipeline.judge.network import JudgeNet, heads_of, load_judge, save_judge
from pipeline.judge.task import JudgeTask
from pipeline.params import JudgeParams, Optimisation
from pipeline.tables.images import Images, to_unit_range
from pipeline.training.loop import Hooks, train
from pipeline.training.task import ImagesSetup

TRAIN, VAL, TEST = (toy_images(rows, seed) for rows, seed in ((128, 1), (40, 2), (60, 3)))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("images"), train=TRAIN, val=VAL)


def _task(table: Path) -> JudgeTask:
    return JudgeTask(ImagesSetup(table, JudgeParams(width=8, batch_size=32), 0), CPU)


@pytest.fixture(scope="module")
def trained(table: Path) -> JudgeTask:
    task = _task(table)
    config = Optimisation(steps=60, batch_size=32, learning_rate=3e-3)
    train(task, config)
    return task


@pytest.fixture
def folder(trained: JudgeTask, tmp_path: Path) -> Path:
    save_judge(tmp_path / "judge", trained.model, 8, TEST, metrics="")
    return tmp_path / "judge"


def test_a_head_for_each_concept(table: Path) -> None:
    assert heads_of(TRAIN) == {"digit": 2, "colour": 2}  # two categories; a value of two components
    outputs = _task(table).model(to_unit_range(TRAIN.pixels[:3]))
    assert {name: output.shape for name, output in outputs.items()} == {"digit": (3, 2), "colour": (3, 2)}


def test_it_learns_what_is_plain_to_see(table: Path, trained: JudgeTask) -> None:
    untrained, found = _task(table).validate(), trained.validate()
    assert untrained["accuracy/colour"] < 0.1
    assert found["accuracy/digit"] > 0.95
    assert found["accuracy/colour"] > 0.6


def test_the_loss_sums_concepts_each_on_its_own_scale(table: Path) -> None:
    task = _task(table)
    total, figures = task.loss(task.model, 0, slice(0, 32))
    assert total.item() == pytest.approx(figures["loss/digit"].item() + figures["loss/colour"].item(), rel=1e-6)
    assert figures["loss/digit"].item() == pytest.approx(np.log(2), abs=0.3)
    scaled = _task(table)
    with torch.no_grad():  # always the mean: the error is the variance itself, whatever its unit
        scaled.model.heads["colour"].weight.zero_()
        scaled.model.heads["colour"].bias.copy_(torch.from_numpy(TRAIN.values["colour"].mean(axis=0)))
    losses = [scaled.loss(scaled.model, step, slice(0, 32))[1]["loss/colour"].item() for step in range(20)]
    assert np.mean(losses) == pytest.approx(1, abs=0.1)


def test_what_is_loaded_names_images_as_what_was_saved(trained: JudgeTask, folder: Path) -> None:
    judge = load_judge(folder)
    images = to_unit_range(TEST.pixels)
    named = judge.name(images)
    assert {name: (found.shape, found.dtype) for name, found in named.items()} == {
        "digit": ((60,), np.int64),
        "colour": ((60, 2), np.float32),
    }
    with torch.no_grad():
        outputs = trained.model(images)
    assert np.array_equal(named["digit"], outputs["digit"].argmax(dim=1).numpy())
    assert np.array_equal(named["colour"], outputs["colour"].numpy())


def test_the_card_holds_the_held_out_accuracy(folder: Path) -> None:
    judge = load_judge(folder)
    named = judge.name(to_unit_range(TEST.pixels))
    right = named["digit"] == TEST.labels["digit"]
    by_class = [right[TEST.labels["digit"] == digit].mean() for digit in (0, 1)]
    error = ((named["colour"] - TEST.values["colour"]) ** 2).sum(axis=0)
    spread = ((TEST.values["colour"] - TEST.values["colour"].mean(axis=0)) ** 2).sum(axis=0)
    expected = {"digit": np.mean(by_class), "colour": (1 - error / spread).mean()}
    assert judge.accuracy == pytest.approx(expected, abs=1e-5)
    assert json.loads((folder / "card.json").read_text())["accuracy_split"] == "test"


def test_a_loaded_judge_is_frozen(folder: Path) -> None:
    judge = load_judge(folder)
    assert not judge.network.training
    assert not any(parameter.requires_grad for parameter in judge.network.parameters())


def test_a_card_that_is_no_judges_is_refused(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    for wrong in ({"num_dims": 3}, {**card, "heads": None}, {**card, "width": 3}):
        (folder / "card.json").write_text(json.dumps(wrong))
        with pytest.raises(InputError, match=r"card\.json: no card of a judge") as caught:
            load_judge(folder)
        assert "\n" not in str(caught.value)


def test_weights_that_are_not_the_cards_are_refused(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"weights\.safetensors: sha256 \w{12}, expected \w{12} as its card says"):
        load_judge(folder)


NAMES = (
    "scale",
    "type",
    "values",
    "train",
    "hair.colour",
    "hair%2Ecolour",
    "%values",
    "Größe (cm)",
    "heads",
    "_modules",
)


def test_a_concept_may_be_called_as_a_part_of_torch(tmp_path: Path) -> None:
    heads = dict.fromkeys(NAMES, 2)
    network = JudgeNet(heads, 8, seed=0)
    outputs = network(to_unit_range(TEST.pixels[:2]))
    assert list(outputs) == list(NAMES)
    assert len({tuple(output.flatten().tolist()) for output in outputs.values()}) == len(NAMES)
    other = JudgeNet({f"concept{number}": 2 for number in range(len(NAMES))}, 8, seed=0)
    for weights, others in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.equal(weights, others)
    save_judge(
        tmp_path / "judge", network, 8, _renamed(dict(zip(NAMES, ["digit"] * len(NAMES), strict=True))), metrics=""
    )
    loaded = load_judge(tmp_path / "judge")
    assert loaded is not None
    for name, output in loaded.network(to_unit_range(TEST.pixels[:2])).items():
        assert torch.equal(output, outputs[name])


def test_heads_of_plain_names_are_stored_by_them(folder: Path) -> None:
    keys = load_file(folder / "weights.safetensors").keys()
    assert {key for key in keys if key.startswith("heads.")} == {
        f"heads.{name}.{part}" for name in ("digit", "colour") for part in ("weight", "bias")
    }


def test_concepts_of_such_names_are_learned(tmp_path: Path) -> None:
    named = {"values": "digit", "hair.colour": "digit"}
    task = _task(write_images(tmp_path, train=_renamed(named, TRAIN), val=_renamed(named, VAL)))
    entries: list[Mapping[str, float]] = []
    train(task, Optimisation(steps=2, batch_size=32, learning_rate=3e-3), Hooks(log=entries.append))
    assert {"train/loss/values", "train/loss/hair.colour", "val/accuracy/hair.colour"} <= set().union(*entries)


def _renamed(names: dict[str, str], images: Images = TEST) -> Images:
    """The same images, each concept under another name."""
    labels = {name: images.labels[of] for name, of in names.items()}
    return replace(images, labels=labels, values={}, num_categories=dict.fromkeys(names, 2))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (28, 28), (100, 100), (128, 128), (20, 48)])
def test_it_takes_images_of_any_shape(height: int, width: int) -> None:
    network = JudgeNet({"digit": 3, "colour": 2}, width=4, seed=0)
    outputs = network(torch.zeros(2, 3, height, width))
    assert {name: output.shape for name, output in outputs.items()} == {"digit": (2, 3), "colour": (2, 2)}
