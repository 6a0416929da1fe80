"""The flow's task: its draws, its parts, its held-out figure."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from extents import ball
from training.small_latents import NUM_DIMS, small_flow, write_latents

from pipeline.basis.layout import Layout
from pipeline.errors import InputError
from pipeline.flow import Flow
from pipeline.flow_task import FlowTask, FlowTaskConfig, flow_setup
from pipeline.iin.iin import Iin
from pipeline.params import Optimisation, Params
from pipeline.tables.parquet import read_table, write_table
from pipeline.training.loop import Hooks, train


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> FlowTaskConfig:
    return small_flow(tmp_path_factory.mktemp("latents"))


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


def test_input_noise_is_equally_strong_in_each_direction_of_the_white_latents(config, task):
    noisy = FlowTask(replace(config, input_noise=0.5, batch_size=4000), torch.device("cpu"))
    noisy.initialise()
    z, _ = noisy.train_rows.pairs(3, 4000, slice(None))
    added = (noisy._noisy(z, 3, slice(None)) - z) @ noisy.closed_form.matrix.float()
    assert (torch.cov(added.T) - 0.25 * torch.eye(NUM_DIMS)).abs().max() < 0.02
    part = noisy._noisy(z.unflatten(0, (2, -1))[:, 100:300].flatten(0, 1), 3, slice(100, 300))
    whole = noisy._noisy(z, 3, slice(None)).unflatten(0, (2, -1))[:, 100:300].flatten(0, 1)
    assert torch.equal(part, whole)
    assert torch.equal(task._noisy(z, 3, slice(None)), z)
    assert noisy.look()[0] == task.look()[0], "held-out rows carry none"


def test_it_starts_as_the_closed_form_whose_held_out_gain_is_0(task):
    z = task.val_rows.mean
    torch.testing.assert_close(task.model(z)[0], task.closed_form.codes(z), rtol=0, atol=1e-5)
    figures, merit = task.look()
    assert figures["gain"] == pytest.approx(0, abs=1e-5)
    assert merit.allowed
    assert (merit.score, merit.cost) == (figures["probe_gap"], figures["pair_nats"])


def test_a_random_start_is_that_of_actnorm(config):
    random = FlowTask(replace(config, flow=config.flow.changed(start="random")), torch.device("cpu"))
    random.initialise()
    z, _ = random.train_rows.pairs(0, 33, slice(None))
    code, _ = random.model.layers[0](z)
    assert code.mean(dim=0).abs().max() < 1e-5
    assert (code.std(dim=0, correction=0) - 1).abs().max() < 1e-5


def test_training_ends_as_the_step_that_its_held_out_figures_choose(config):
    entries, states = [], []
    task = FlowTask(replace(config, input_noise=0.1), torch.device("cpu"))
    params = Optimisation(steps=60, batch_size=33, learning_rate=5e-3, validate_every=20)
    train(task, params, Hooks(log=entries.append, checkpoint=states.append))
    looks = {entry["step"]: entry for entry in entries if "val/gain" in entry}
    assert list(looks) == [0, 20, 40, 60]
    assert {"val/pair_nats", "val/bits_per_dim", "val/probe_gap", "val/gain"} < set(looks[0])
    best = states[-1]["members"][0]["best"]["step"]
    assert task.validate()["probe_gap"] == looks[best]["val/probe_gap"]


def test_a_flow_that_diverges_between_two_points_of_its_curve_is_one_line(config):
    params = Optimisation(steps=300, batch_size=33, learning_rate=1e4, log_every=300, validate_every=10)
    with pytest.raises(InputError, match=r"^training diverged: pair_nats is (nan|inf) at step 10; accepted are "):
        train(FlowTask(config, torch.device("cpu")), params)


def test_held_out_nats_are_the_same_at_each_step_and_fall_by_training(config, task):
    before = task.validate()
    assert task.validate() == before
    assert before["bits_per_dim"] == pytest.approx(before["pair_nats"] / (2 * NUM_DIMS * 0.6931472))
    entries = []
    train_config = Optimisation(steps=150, batch_size=33, learning_rate=5e-3, validate_every=150)
    train(FlowTask(config, torch.device("cpu")), train_config, Hooks(log=entries.append))
    assert entries[-1]["val/pair_nats"] < before["pair_nats"] - 0.4


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
    setup, origin, _ = flow_setup(Params(), Path(config.latents), config.layout)
    assert origin["cut"] == {"reduce": "mean", "kept": list(range(NUM_DIMS)), "image_shape": [8, 8]}
    folder = write_latents(tmp_path)
    for shard in folder.glob("train-*.parquet"):
        table, metadata = read_table(shard)
        metadata = {key: value for key, value in metadata.items() if key not in ("format", "rows", "checksums")}
        write_table(shard, table, {**metadata, "image_range": [0.0, 4095.0]})
    setup, origin, _ = flow_setup(Params(), folder, config.layout)
    assert origin["cut"]["image_range"] == [0.0, 4095.0]
    assert Iin(Flow(setup.shape), config.layout, origin, "", ball(config.layout.num_dims)).image_range == (0.0, 4095.0)


def test_validation_rows_that_cannot_be_probed_are_said_and_give_no_gap(config, tmp_path, capsys):
    folder = write_latents(tmp_path)
    table, metadata = read_table(folder / "val-00000.parquet")
    for concept, known in (("digit", np.arange(60) >= 17), ("colour", np.arange(60) < 20)):
        place = table.schema.get_field_index(concept)
        column = pa.array(table[concept].to_numpy(), table.schema.field(place).type, mask=~known)
        table = table.set_column(place, table.schema.field(place), column)
    metadata = {key: value for key, value in metadata.items() if key not in ("format", "rows", "checksums")}
    write_table(folder / "val-00000.parquet", table, metadata)
    setup, _, _ = flow_setup(Params(), folder, config.layout)
    assert capsys.readouterr().out.partition("\n")[2] == (
        "validation rows: 3 originals have a value in every concept (in 'colour' 20, the fewest), and a probe needs 5; "
        "so the best step is that of the fewest held-out nats alone\n"
    )
    task = FlowTask(setup, torch.device("cpu"))
    task.initialise()
    figures, merit = task.look()
    assert list(figures) == ["pair_nats", "bits_per_dim", "gain"]
    assert merit.score == 0
