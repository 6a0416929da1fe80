"""Stored rows, a network and its map are brought together only where they belong together."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from extents import ball
from interpret.subjects import parts

from pipeline.errors import InputError
from pipeline.iin.iin import save_iin


def test_codes_are_those_of_the_latents_means() -> None:
    stored = parts()
    rows = stored.rows()
    with torch.no_grad():
        assert torch.equal(rows.codes, stored.iin.flow(torch.from_numpy(stored.latents.mean))[0])
    assert np.array_equal(rows.means.numpy(), stored.latents.mean)
    chosen = np.array([5, 0, 5])
    assert torch.allclose(rows.outputs(rows.codes[chosen], chosen), rows.outputs(rows.codes)[chosen], atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"layer": "stage1"},
            r"latents of layer 'stage1' \(mean\) are not what the map of layer 'latent' \(mean\) was",
        ),
        ({"reduce": "none"}, r"latents of layer 'latent' \(none\) are not what the map of layer 'latent' \(mean\) was"),
        ({"kept": np.arange(1, 8)}, r"latents of layer 'latent' \(mean\) are not what the map"),
        ({"id": np.arange(24) + 1}, r"latents of 24 rows and images of 24 are not of the same ids"),
    ],
)
def test_latents_of_another_cut_or_other_rows_are_refused(change: dict, message: str) -> None:
    stored = parts()
    with pytest.raises(InputError, match=message):
        replace(stored, latents=replace(stored.latents, **change)).rows()


def test_rows_by_other_seeds_are_those_of_the_maps_that_were_not_kept(tmp_path: Path) -> None:
    stored = parts()
    rows = replace(stored, iin=replace(stored.iin, card=stored.iin.card | {"seed": 5, "chosen_seed": 7})).rows()
    assert rows.by_other_seeds(tmp_path) == [], "one map was trained"
    for seed in (5, 7, 9):
        flow = copy.deepcopy(stored.iin.flow)
        with torch.no_grad():
            for parameter in flow.parameters():
                parameter += 0.1 * seed
        card = {**stored.iin.card, "rho": 0.9, "seed": seed}
        save_iin(tmp_path / "seeds" / str(seed), flow, stored.iin.layout, card, ball(flow.config.num_dims), metrics="")
    others = rows.by_other_seeds(tmp_path)
    assert [other.interpretation.iin.seed for other in others] == [5, 9]
    assert not torch.allclose(others[0].codes, others[1].codes, atol=0.1)
