from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.backbone.callable_network import CallableBackbone
from pipeline.backbone.hook_backbone import AS_IT_IS
from pipeline.backbone.hooks import state_sha256
from pipeline.drawing.sheet import MARGIN, Sheet, house_style
from pipeline.errors import InputError
from pipeline.interpret.curves import read_curves
from pipeline.interpret.figures import Measured, draw_figures
from pipeline.interpret.grids import path_sheet, reconstructions, sample_sheet, swap_sheet
from pipeline.interpret.overview import matrix_sheet, overview
from pipeline.params import InterpretParams
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import Score

from .subjects import METRICS, Parts, assert_legible, find, open_png, packed, parts, texts, without

PARAMS = InterpretParams(columns=3, path_steps=3)


def draw(folder: Path, of: Parts, seed: int = 0) -> Path:
    (folder.parent / "metrics.jsonl").write_text(METRICS)
    curves = read_curves(folder.parent / "metrics.jsonl", 80, "closed_form")
    draw_figures(folder, of.subject(seed), Measured(of.scores, {}), curves, PARAMS)
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("results") / "figures", parts())


def test_every_figure_is_there_and_shows_something(drawn: Path) -> None:
    factors = ("residual", "shape", "hue")
    pictures = {"overview", "reconstructions", "path", "probe_matrix", "embeddings", "pairs", "curves"}
    pictures |= {f"{kind}_{factor}" for kind in ("swap", "samples") for factor in factors}
    assert {path.name for path in drawn.iterdir()} == {f"{name}.png" for name in pictures}
    for name in pictures:
        pixels = open_png(drawn / f"{name}.png")
        assert pixels.shape[1] >= 600, name
        assert pixels.shape[0] >= 500, name
        assert len(np.unique(packed(pixels))) > 20, name


def test_drawn_again_is_the_same_bytes_whatever_the_users_style(drawn: Path, tmp_path: Path) -> None:
    with matplotlib.rc_context({"font.size": 30, "figure.dpi": 50, "savefig.bbox": "tight", "text.color": "red"}):
        again = draw(tmp_path / "figures", parts())
        assert matplotlib.rcParams["font.size"] == 30, "the user's style is lost"
    for path in drawn.iterdir():
        assert path.read_bytes() == (again / path.name).read_bytes(), path.name


def test_another_seed_shows_other_images(drawn: Path, tmp_path: Path) -> None:
    other = draw(tmp_path / "figures", parts(), seed=1)
    for name in ("overview", "reconstructions", "path", "swap_shape", "samples_hue"):
        assert (drawn / f"{name}.png").read_bytes() != (other / f"{name}.png").read_bytes(), name
    assert (drawn / "probe_matrix.png").read_bytes() == (other / "probe_matrix.png").read_bytes()


def test_png_says_nothing_of_its_maker(drawn: Path) -> None:
    content = (drawn / "curves.png").read_bytes()
    assert b"tEXt" not in content
    assert b"Software" not in content


@pytest.mark.parametrize(
    "concepts",
    [("digit",), ("digit", "colour"), ("eyeglasses", "hair_colour", "no_beard", "wears_a_hat", "smiling")],
    ids=["one", "two", "five"],
)
def test_no_text_is_cut_or_covered_for_any_number_of_concepts(concepts: tuple[str, ...]) -> None:
    of = parts(concepts)
    subject = of.subject()
    with house_style():
        assert_legible(overview(subject, of.scores, 8).figure)
        assert_legible(reconstructions(subject, 8).figure)
        assert_legible(path_sheet(subject, 9).figure)
        assert_legible(matrix_sheet(of.iin.layout, of.scores).figure)
        for factor in ("residual", concepts[-1]):
            assert_legible(swap_sheet(subject, factor, 8).figure)
            assert_legible(sample_sheet(subject, factor, 8).figure)


def test_reconstructions_are_the_images_and_what_the_network_makes_of_them(drawn: Path) -> None:
    of = parts()
    picture = open_png(drawn / "reconstructions.png")
    places = [
        (*place, row)
        for row, tile in enumerate(of.images.pixels.repeat(4, axis=1).repeat(4, axis=2))
        for place in find(picture, tile)
    ]
    assert len(places) == 3
    for top, left, row in places:
        z = torch.from_numpy(of.latents.mean[row : row + 1])
        image = of.backbone.network.decode(z)[0].permute(1, 2, 0).detach().numpy()
        wanted = np.rint((image.astype(np.float64) + 1) * 127.5)
        column = picture[top + 128 :, left : left + 128][:, ::4]
        tops = [y for y in range(len(column) - 125) if np.abs(column[y : y + 128 : 4] - wanted).max() <= 1]
        assert len(tops) >= 2, "decoded z and decoded T⁻¹(T(z)) are expected below the image"
        assert max(tops) - min(tops) >= 128


def test_a_caption_calls_no_generated_image_real() -> None:
    of = parts()
    for subject, said in (
        (of.subject(), "Shaded images are real"),
        (of.drawing().subject(), "the generator's own"),
    ):
        with house_style():
            for sheet in (swap_sheet(subject, "shape", 2), overview(subject, of.scores, 2)):
                assert said in " ".join(text.get_text() for text in sheet.figure.texts)


def test_latents_of_other_rows_are_refused(tmp_path: Path) -> None:
    of = parts()
    with pytest.raises(InputError, match="not of the same ids"):
        draw(tmp_path / "figures", replace(of, images=replace(of.images, id=of.images.id + 1)))
    assert not (tmp_path / "figures").exists()


def test_latents_of_another_width_are_refused(tmp_path: Path) -> None:
    of = parts()
    with pytest.raises(InputError, match="layer 'latent' have 5 dimensions, the flow 7"):
        draw(tmp_path / "figures", replace(of, latents=replace(of.latents, mean=of.latents.mean[:, :5])))


def test_a_missing_score_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    of = replace(parts(), scores=without(parts().scores, "probe/matrix/hue/shape"))
    with pytest.raises(InputError, match=r"scores.json: no score 'probe/matrix/hue/shape'"):
        draw(tmp_path / "figures", of)
    assert [path.name for path in tmp_path.iterdir()] == ["metrics.jsonl"]


@pytest.fixture
def blank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures that are files alone, as drawing takes its time."""

    class Blank:
        def save(self, path: Path) -> None:
            path.touch()

    for name in (
        "overview",
        "reconstructions",
        "swap_sheet",
        "sample_sheet",
        "path_sheet",
        "matrix_sheet",
        "embedding_sheet",
        "pairs_sheet",
        "curves_sheet",
    ):
        monkeypatch.setattr(f"pipeline.interpret.figures.{name}", lambda *_, **__: Blank())


@pytest.mark.usefixtures("blank")
def test_figures_of_any_concept_are_named_as_a_file_may_be(tmp_path: Path) -> None:
    drawn = draw(tmp_path / "figures", parts(concepts=("hair.colour", "Größe?")))
    found = {path.name for path in drawn.iterdir() if path.name.startswith("swap_")}
    assert found == {"swap_residual.png", "swap_hair.colour.png", "swap_Größe_.png"}


@pytest.mark.usefixtures("blank")
def test_a_generator_draws_no_image_again(tmp_path: Path) -> None:
    """Its images are its own draws, so that a picture of images beside f(z) shows the same twice."""
    encoded, drawn = (draw(tmp_path / name, of) for name, of in (("encoded", parts()), ("drawn", parts().drawing())))
    names = {path.name for path in drawn.iterdir()}
    assert {path.name for path in encoded.iterdir()} == names | {"reconstructions.png"}
    assert "reconstructions.png" not in names


class Spatial(nn.Module):
    """Images to maps of `channels` 8x8 and back."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.code = nn.Conv2d(3, channels, 4, 4)
        self.pixels = nn.ConvTranspose2d(channels, 3, 4, 4)

    def forward(self, images: Tensor) -> Tensor:
        return torch.tanh(self.pixels(self.code(images)))


def spatial() -> Parts:
    of = parts()
    network = Spatial(of.iin.layout.num_dims).eval().requires_grad_(False)
    card = {"output": "images", "input": AS_IT_IS.to_card()}
    backbone = CallableBackbone(network, card, "0" * 64, state_sha256(network), torch.device("cpu"))
    return of.on(backbone, "code")


def words(sheet: Sheet) -> str:
    return " ".join(text.get_text() for text in sheet.figure.texts)


def test_a_picture_of_a_reduced_map_says_how_much_of_the_layer_it_moves() -> None:
    of = spatial()
    subject = of.subject()
    with house_style():
        shown, line = overview(subject, of.scores, 8), path_sheet(subject, 3)
        assert_legible(shown.figure)
        assert_legible(line.figure)
    assert "describes each image by 448 numbers that mean nothing to us. An invertible map sorts the means of 7" in (
        words(shown)
    )
    assert words(line).startswith("From one image towards another ")
    assert "Only the means of 7 channels move, of the layer's 448 numbers: all else is of the image at the left" in (
        words(line)
    )


def test_a_path_that_reaches_its_end_says_nothing_of_the_kind() -> None:
    of = parts()
    with house_style():
        shown, line = overview(of.subject(), of.scores, 8), path_sheet(of.subject(), 3)
    assert "describes each image by 7 numbers that mean nothing to us. An invertible map sorts them into" in words(
        shown
    )
    assert words(line).startswith("From one image to another ")
    assert "Only" not in words(line)


def test_names_with_dollars_are_drawn_as_they_are(tmp_path: Path) -> None:
    of = parts(("US$ and A$", r"$\frac$"))
    folder = draw(tmp_path / "figures", of)
    assert len(list(folder.iterdir())) == 7 + 2 * 3


@pytest.mark.parametrize(
    ("gaps", "title", "caption"),
    [
        ({}, "sorted into factors that a person can name", ""),
        (
            {"probe/gap/hue": Score(0.01, -0.1, 0.1)},
            "sorted into factors that a person can name",
            "Not sorted, as another factor knows as much of it: hue.",
        ),
        ({"probe/gap": Score(0.01, -0.1, 0.1), "probe/gap/hue": Score(0.01, -0.1, 0.1)}, "not sorted into factors", ""),
    ],
)
def test_an_overview_claims_no_factors_where_others_know_as_much(
    gaps: dict[str, Score], title: str, caption: str
) -> None:
    of = parts()
    with house_style():
        sheet = overview(of.subject(), Scores({**of.scores, **gaps}), 3)
        assert_legible(sheet.figure)
    said = words(sheet)
    assert said.startswith(f"One hidden vector, {title}")
    assert caption in said
    assert ("Not sorted" in said) == bool(caption)


def test_text_of_an_overview_keeps_off_the_edge_with_one_concept() -> None:
    of = parts(("digit",))
    with house_style():
        figure = overview(of.subject(), of.scores, 8).figure
        right = max(text.get_window_extent().x1 for text in texts(figure))
    assert right <= figure.canvas.get_width_height()[0] - MARGIN + 20


def test_the_matrix_shows_what_z_and_the_closed_form_tell_below_the_factors() -> None:
    of = parts()
    told = {"probe/latent/hue": Score(0.31, 0.29, 0.35), "probe/closed_form/hue": Score(0.22, 0.2, 0.24)}
    with house_style():
        places = {
            text.get_text(): text for text in texts(matrix_sheet(of.iin.layout, Scores({**of.scores, **told})).figure)
        }
    rows = {label: places[label].get_window_extent().y0 for label in ("hue\n2 of 7", "all of z\n7 numbers")}
    assert rows["all of z\n7 numbers"] < rows["hue\n2 of 7"]
    for number, label in (("0.31", "all of z\n7 numbers"), ("0.22", "linear map\nown factor")):
        number_box, label_box = places[number].get_window_extent(), places[label].get_window_extent()
        assert label_box.y0 < (number_box.y0 + number_box.y1) / 2 < label_box.y1
