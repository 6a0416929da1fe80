"""The flow's task: its draws, its parts, its held-out figure."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from extents import ball
from training.small_latents import NUM_DIMS, write_latents

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import Flow
from pipeline.flow_task import FlowTask, FlowTaskConfig, flow_setup
from pipeline.interpretation.iin import Iin
from pipeline.params import FlowParams, Optimisation, Params
from pipeline.tables.parquet import read_table, write_table
from pipeline.training.loop import Hooks, train


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> FlowTaskConfig:
    return FlowTaskConfig(
        latents=str(write_latents(tmp_path_factory.mktemp("latents"))),
        flow=FlowParams(num_blocks=2, width=16, rho=0.9),
        layout=Layout(("residual", "digit", "colour"), (2, 2, 2)),
        batch_size=33,
        seed=5,
    )


@pytest.fixture
def task(config) -> FlowTask:
    torch.set_num_threads(1)
    task = FlowTask(config, torch.device("cpu"))
    task.initialise()
    return task


def test_parts_make_up_the_global_batch(task):
    whole = task.loss(task.model, 3, slice(0, 33))[0]
    first, rest = task.loss(task.model, 3, slice(0, 10))[0], task.loss(task.model, 3, slice(10, 33))[0]
    assert torch.allclose(whole, (10 * first + 23 * rest) / 33)


def test_members_of_a_pair_carry_noise_of_the_stored_scale(task):
    z, rho = task.train_rows.pairs(0, 33, slice(None))
    z_again, _ = task.train_rows.pairs(0, 33, slice(None))
    z_later, _ = task.train_rows.pairs(1, 33, slice(None))
    assert z.shape == (66, NUM_DIMS)
    assert sorted(set(map(tuple, rho.tolist()))) == [(0, 0, task.config.flow.rho), (0, task.config.flow.rho, 0)]
    assert torch.equal(z, z_again)
    assert not torch.equal(z, z_later)
    pairs = task.train_rows.sampler.draw(0, 33)
    deviation = torch.cat([z[:33] - task.train_rows.mean[pairs.a], z[33:] - task.train_rows.mean[pairs.b]])
    assert 0.07 < deviation.std().item() < 0.13, "noise of the stored scale 0.1"


def test_held_out_nats_are_the_same_at_each_step_and_fall_by_training(config, task):
    before = task.validate()
    assert task.validate() == before
    assert before["bits_per_dim"] == pytest.approx(before["pair_nats"] / (2 * NUM_DIMS * 0.6931472))
    entries = []
    train_config = Optimisation(steps=150, batch_size=33, learning_rate=5e-3, validate_every=150)
    train(FlowTask(config, torch.device("cpu")), train_config, Hooks(log=entries.append))
    assert entries[-1]["val/pair_nats"] < before["pair_nats"] - 2


@pytest.mark.parametrize(
    "layout",
    [
        Layout(("residual", "digit"), (3, 3)),
        Layout(("residual", "colour", "digit"), (2, 2, 2)),
        Layout(("residual", "digit", "colour"), (2, 2, 3)),
    ],
)
def test_a_layout_of_another_table_is_refused(config, layout):
    with pytest.raises(InputError, match="concepts digit, colour and 6 dimensions, but the flow has"):
        FlowTask(replace(config, layout=layout), torch.device("cpu"))


def test_the_card_says_the_range_of_grey_images_where_there_is_one(config, tmp_path):
    setup, origin = flow_setup(Params(), Path(config.latents), config.layout)
    assert origin["cut"] == {"reduce": "mean", "kept": list(range(NUM_DIMS)), "image_shape": [8, 8]}
    folder = write_latents(tmp_path)
    for shard in folder.glob("train-*.parquet"):
        table, metadata = read_table(shard)
        metadata = {key: value for key, value in metadata.items() if key not in ("format", "rows", "checksums")}
        write_table(shard, table, {**metadata, "image_range": [0.0, 4095.0]})
    setup, origin = flow_setup(Params(), folder, config.layout)
    assert origin["cut"]["image_range"] == [0.0, 4095.0]
    assert Iin(Flow(setup.shape), config.layout, origin, "", ball(config.layout.num_dims)).image_range == (0.0, 4095.0)
