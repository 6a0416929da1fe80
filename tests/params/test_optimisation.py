"""How backbone, judge and flow are trained: one type of section, every key of which params.yaml states."""

from pathlib import Path
from typing import get_type_hints

import pytest
from pydantic import ValidationError

from pipeline.params import Optimisation, Params, TrainParams, load_params
from pipeline.training import distributed, loop


def test_the_trained_networks_sections_are_what_the_engine_takes():
    for engine in (loop.train, distributed.train_on_workers):
        assert get_type_hints(engine)["config"] is Optimisation
    for name in ("backbone", "judge", "train"):
        assert isinstance(getattr(Params(), name), Optimisation)


def test_backbone_and_judge_differ_in_three_keys_and_the_flow_is_averaged():
    keys = tuple(Optimisation.model_fields)
    stated = {name: getattr(Params(), name).model_dump(include=keys) for name in ("backbone", "judge", "train")}
    common = {"schedule": "cosine", "betas": (0.9, 0.999), "weight_decay": 0.01, "clip": 5.0, "ema_decay": None}
    common |= {"log_every": 20, "validate_every": 200, "checkpoint_every": 200}
    assert stated["backbone"] == {"steps": 1000, "batch_size": 128, "learning_rate": 2e-3} | common
    assert stated["judge"] == {"steps": 600, "batch_size": 128, "learning_rate": 3e-3} | common
    own = {"steps": 1800, "batch_size": 256, "learning_rate": 6e-3}
    own |= {"weight_decay": 0.1, "ema_decay": 0.995}
    assert stated["train"] == common | own
    assert set(TrainParams.model_fields) - set(keys) == {"input_noise", "patience", "precision", "seeds"}


def test_what_is_left_out_of_the_type_is_refused():
    with pytest.raises(ValidationError, match=r"learning_rate\n  Field required"):
        Optimisation(steps=3, batch_size=2)  # type: ignore[call-arg]


@pytest.mark.parametrize("change", [{"stpes": 5}, {"steps": 0}, {"clip": True}])
def test_a_changed_section_is_checked_like_one_that_was_read(change):
    section = Params().train
    assert section.changed(steps=5).steps == 5
    assert section.changed(steps=5).changed(steps=section.steps) == section
    with pytest.raises(ValidationError, match=next(iter(change))):
        section.changed(**change)


def test_no_clip_and_other_betas_are_taken(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("train: {clip: , betas: [0.5, 0.9], schedule: constant}")
    train = load_params(tmp_path / "params.yaml").train
    assert (train.clip, train.betas, train.schedule) == (None, (0.5, 0.9), "constant")
