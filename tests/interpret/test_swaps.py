from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from pipeline.drawing.sheet import INK, house_style
from pipeline.interpret.grids import swap_grid, swap_sheet
from pipeline.interpret.overview import overview

from .subjects import Parts, find, open_png, parts, texts


def expected(of: Parts, recipient: int, donor: int, factor: str) -> NDArray[np.int64]:
    """The swapped image [32, 32, 3], computed without edits and interpret."""
    with torch.no_grad():
        codes, _ = of.iin.flow(torch.from_numpy(of.latents.mean[[recipient, donor]]))
        start = sum(of.iin.layout.sizes[: of.iin.layout.names.index(factor)])
        size = of.iin.layout.sizes[of.iin.layout.names.index(factor)]
        codes[0, start : start + size] = codes[1, start : start + size]
        image = of.backbone.network.decoder(of.iin.flow.inverse(codes[:1]))[0]
    return np.rint((image.permute(1, 2, 0).numpy().astype(np.float64) + 1) * 127.5).astype(np.int64)


def headers(of: Parts, picture: NDArray[np.uint8], scale: int) -> list[tuple[int, int, int]]:
    """Where each image of the test split lies in the picture: (top, left, row number)."""
    tiles = of.images.pixels.repeat(scale, axis=1).repeat(scale, axis=2)
    return [(*place, row) for row, tile in enumerate(tiles) for place in find(picture, tile)]


@pytest.mark.parametrize("factor", ["residual", "shape", "hue"])
def test_each_image_is_the_decoded_swap_of_the_headers_at_its_left_and_above(factor: str, tmp_path: Path) -> None:
    of = parts()
    with house_style():
        swap_sheet(of.subject(), factor, 3).save(tmp_path / "swap.png")
    picture = open_png(tmp_path / "swap.png")
    places = headers(of, picture, 4)
    highest, leftmost = min(places)[0], min(left for _, left, _ in places)
    donors = [(left, row) for top, left, row in places if top == highest]
    recipients = [(top, row) for top, left, row in places if left == leftmost]
    assert (len(donors), len(recipients), len(places)) == (3, 3, 6)
    seen = []
    for top, recipient in recipients:
        for left, donor in donors:
            image = picture[top : top + 128, left : left + 128].astype(np.int64)
            assert np.array_equal(image, image[::4, ::4].repeat(4, axis=0).repeat(4, axis=1)), "not crisp"
            assert np.abs(image[::4, ::4] - expected(of, recipient, donor, factor)).max() <= 1
            seen.append(image[::4, ::4])
    apart = np.abs(np.stack(seen)[:, None] - np.stack(seen)[None]).max(axis=(2, 3, 4))
    assert apart[~np.eye(9, dtype=bool)].min() > 8, "the images are too alike for this test to tell them apart"


def test_donors_differ_in_the_concept_and_recipients_in_all() -> None:
    of = parts()
    subject = of.subject()
    assert len(set(of.latents.labels["shape"][subject.donors("shape", 4)])) == 4
    assert np.array_equal(of.latents.labels["shape"][subject.donors("shape", 4)], [0, 1, 2, 3])
    assert len(set(of.latents.labels["shape"][subject.recipients(4)])) == 4


def test_title_and_headers_say_what_is_kept_and_what_is_taken() -> None:
    subject = parts(("digit", "ink_colour")).subject()
    with house_style():
        written = {
            factor: [text.get_text() for text in texts(swap_sheet(subject, factor, 3).figure)]
            for factor in subject.layout.names
        }
    assert written["ink_colour"][0] == "Ink colour swapped"
    assert "the ink colour taken from these" in written["ink_colour"]
    assert "everything else kept from these" in written["ink_colour"]
    assert "the digit and the ink colour kept from these" in written["residual"]
    assert "takes the digit from the image above it" in " ".join(written["digit"])


def test_overview_holds_the_same_swaps_and_every_cell_of_the_matrix(tmp_path: Path) -> None:
    of = parts()
    with house_style():
        sheet = overview(of.subject(), of.scores, columns=3)
        words = [text.get_text() for text in texts(sheet.figure)]
        sheet.save(tmp_path / "overview.png")
    picture = open_png(tmp_path / "overview.png")
    assert 1000 <= picture.shape[1] <= 2000
    places = headers(of, picture, 3)
    highest, leftmost = min(places)[0], min(left for _, left, _ in places)
    donors = sorted((left, row) for top, left, row in places if top == highest)
    recipients = [(top, row) for top, left, row in places if left == leftmost]
    assert (len(donors), len(recipients)) == (6, 3)
    for top, recipient in recipients:
        for number, (left, donor) in enumerate(donors):
            image = picture[top : top + 96 : 3, left : left + 96 : 3].astype(np.int64)
            factor = "shape" if number < 3 else "hue"
            assert np.abs(image - expected(of, recipient, donor, factor)).max() <= 1
    assert words.count("0.90") == 4, "the own factor of two concepts, and the closed form's"
    assert {"0.86 – 0.93", "shape taken from these", "hue taken from these"} <= set(words)


def test_what_the_network_makes_of_a_recipient_alone_stands_between_it_and_its_swaps(tmp_path: Path) -> None:
    of = parts()
    with house_style():
        swap_sheet(of.subject(), "shape", 3).save(tmp_path / "swap.png")
    picture = open_png(tmp_path / "swap.png")
    places = headers(of, picture, 4)
    leftmost = min(left for _, left, _ in places)
    first_donor = sorted({left for _, left, _ in places})[1]
    recipients = [(top, row) for top, left, row in places if left == leftmost]
    assert len(recipients) == 3
    for top, row in recipients:
        between = picture[top : top + 128 : 4, leftmost + 128 : first_donor].astype(np.int64)
        alone = expected(of, row, row, "shape")
        columns = range(between.shape[1] - 127)
        assert any(np.abs(between[:, x : x + 128 : 4] - alone).max() <= 1 for x in columns)


@pytest.mark.parametrize(("num_rows", "framed"), [(24, True), (200, False)])
def test_a_swap_of_an_image_with_itself_is_framed(num_rows: int, framed: bool, tmp_path: Path) -> None:
    of = parts(num_rows=num_rows)
    subject = of.subject()
    grid = swap_grid(subject, "shape", 3, 3)
    shown = subject.recipients(3)[:, None] == subject.donors("shape", 3)
    assert np.array_equal(grid.own, shown)
    assert grid.own.any() == framed
    with house_style():
        sheet = swap_sheet(subject, "shape", 3)
        sheet.save(tmp_path / "swap.png")
    assert ("Framed: recipient and donor are one image" in " ".join(t.get_text() for t in sheet.figure.texts)) == framed
    frames = [patch for patch in sheet.figure.findobj(Rectangle) if to_hex(patch.get_facecolor()) == INK]
    assert len(frames) == grid.own.sum()
