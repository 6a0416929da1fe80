"""Stored rows, a network and its map are brought together only where they belong together."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from interpret.subjects import parts

from pipeline.errors import InputError


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
