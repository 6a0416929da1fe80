"""Small real parts to draw: an untrained autoencoder, an initialised flow, images of noise, scores."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from extents import ball
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from pipeline.backbone.autoencoder import Autoencoder, AutoencoderBackbone
from pipeline.backbone.backbone import Backbone
from pipeline.backbone.generator import GeneratorBackbone
from pipeline.backbone.hooks import state_sha256
from pipeline.basis.layout import Layout
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.iin import Iin
from pipeline.iin.values import Categories, Continuous
from pipeline.interpret.subject import Subject, subject_of
from pipeline.interpretation.interpretation import Interpretation
from pipeline.interpretation.rows import Rows
from pipeline.scores.record import Scores
from pipeline.scores.statistics.score import Score
from pipeline.tables.images import Images
from pipeline.tables.latents import Latents

METRICS = '{"step": 0, "val/pair_nats": 89.0, "val/probe_gap": 0.8, "val/gain": 0.0}\n' + "".join(
    f'{{"step": {step}, "train/pair_nats": {90 - step / 10}, "train/learning_rate": {0.003 * (1 - step / 100)}}}\n'
    + (
        f'{{"step": {step}, "val/pair_nats": {91 - step / 10}, "val/probe_gap": {0.8 + step / 1000}}}\n'
        if step % 40 == 0
        else ""
    )
    for step in range(20, 101, 20)
)


@dataclass(frozen=True)
class Parts:
    """What figures are drawn from."""

    iin: Iin
    backbone: Backbone
    latents: Latents
    images: Images
    scores: Scores

    def subject(self, seed: int = 0) -> Subject:
        return subject_of(self.rows(), seed)

    def rows(self) -> Rows:
        return Rows.of(Interpretation.join(self.iin, self.backbone), self.latents, self.images)

    def drawing(self) -> "Parts":
        """The same latents, as if they were the draws of a generator, which is the decoder of the autoencoder."""
        num_dims = self.iin.layout.num_dims
        card = {"output": "images", "num_dims": num_dims, "latent_shape": [num_dims], "seed": 0}
        network = self.backbone.network.decoder
        return self.on(GeneratorBackbone(network, card, "0" * 64, state_sha256(network), torch.device("cpu")), "latent")

    def on(self, backbone: Backbone, layer: str) -> "Parts":
        """The same latents, as if they were of a layer of another network."""
        card = self.iin.card | {"layer": layer, "backbone_sha256": backbone.sha256}
        latents = replace(self.latents, layer=layer, backbone_sha256=backbone.sha256)
        return replace(self, iin=replace(self.iin, card=card), backbone=backbone, latents=latents)


def parts(concepts: tuple[str, ...] = ("shape", "hue"), num_rows: int = 24) -> Parts:
    """Every second concept is continuous, the others have four classes."""
    rng = np.random.default_rng(0)
    num_dims = 2 * (len(concepts) + 1) + 1
    layout = Layout.of(concepts, (3, *[2] * len(concepts)))
    z = rng.normal(size=(num_rows, num_dims)).astype(np.float32)
    flow = Flow(FlowConfig(num_dims, num_blocks=2, width=8, depth=1, seed=3))
    flow.initialise(torch.from_numpy(z))
    network = Autoencoder(num_dims, 8, seed=1)
    with torch.no_grad():
        network.decoder[-2].weight.mul_(12)  # an untrained network draws grey; this gives its images contrast
    network = network.eval().requires_grad_(False)
    backbone = AutoencoderBackbone(network, {"output": "images"}, "0" * 64, state_sha256(network), torch.device("cpu"))
    ids = np.arange(num_rows)
    labels = {name: rng.permutation(ids) if k % 2 else ids % 4 for k, name in enumerate(concepts)}
    values = {name: rng.random((num_rows, 3), dtype=np.float32) for name in concepts[1::2]}
    pixels = rng.integers(0, 256, (num_rows, 32, 32, 3), dtype=np.uint8)
    images = Images(ids, ids, pixels, labels, values, dict.fromkeys(concepts, 4))
    latents = Latents(
        ids, ids, z, np.ones_like(z), labels, values, backbone.sha256, "latent", "mean", np.arange(num_dims), (32, 32)
    )
    cut = {"reduce": "mean", "kept": list(range(num_dims)), "image_shape": [32, 32]}
    card = {"layer": "latent", "backbone_sha256": backbone.sha256, "cut": cut}
    return Parts(Iin(flow.eval(), layout, card, "1" * 64, ball(num_dims)), backbone, latents, images, scores(layout))


def with_values(of: Parts) -> Parts:
    """The parts, whose map knows what values of the shape and the hue have there."""
    shapes = Categories(np.arange(4), np.arange(8.0).reshape(4, 2) - 4, 0.1 * np.eye(2), ("{a}", "b <c>", "d", "e"))
    hues = Continuous(np.zeros(3), np.ones(3), np.linspace(-2, 2, 20).reshape(10, 2), 0.1 * np.eye(2))
    return replace(of, iin=replace(of.iin, values={"shape": shapes, "hue": hues}))


def scores(layout: Layout, own: float = 0.9) -> Scores:
    """Scores as `read_scores` gives them."""

    def score(value: float) -> Score:
        return Score(value, value - 0.04, value + 0.03, chance=0.1, perfect=1.0)

    matrix = {
        f"probe/matrix/{factor}/{concept}": score(own if factor == concept else 0.05 * index)
        for index, factor in enumerate(layout.names)
        for concept in layout.concepts
    }
    each = {f"probe/{what}/{concept}": score(own) for concept in layout.concepts for what in ("own", "closed_form")}
    each |= {f"probe/latent/{concept}": score(0.95) for concept in layout.concepts}
    others = {"probe/gap": score(own - 0.1), "swap/score": score(own - 0.02), "other": score(0.5)}
    return Scores({**matrix, **each, **others})


def without(scores: Scores, name: str) -> Scores:
    """The scores without one of them."""
    return Scores({other: score for other, score in scores.items() if other != name})


def open_png(path: Any) -> NDArray[np.uint8]:
    """Pixels [h, w, 3] of a PNG."""
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def find(picture: NDArray[np.uint8], tile: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """Every (top, left) at which `tile` lies in `picture`, pixel for pixel."""
    rows, columns = tile.shape[:2]
    corners = np.argwhere(packed(picture) == packed(tile[:1, :1])[0, 0])
    return [(int(y), int(x)) for y, x in corners if np.array_equal(picture[y : y + rows, x : x + columns], tile)]


def packed(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Each pixel [..., 3] as one number."""
    numbers: NDArray[np.int64] = pixels.astype(np.int64) @ np.array([65536, 256, 1])
    return numbers


def texts(figure: Figure) -> list[Text]:
    """Every text that is seen, drawn once so that it has its place."""
    figure.canvas.draw()
    unseen = {
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for tick in axis.get_major_ticks()
        if not min(axis.get_view_interval()) <= tick.get_loc() <= max(axis.get_view_interval())
        for label in (tick.label1, tick.label2)
    }
    found = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return [text for text in found if text not in unseen]


def assert_legible(figure: Figure) -> None:
    """No text is cut by the edge of the figure, and none lies on another."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
    assert boxes
    width, height = figure.canvas.get_width_height()
    for text, box in boxes:
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height, f"'{text}' is cut"  # noqa: PT018
    for number, (text, box) in enumerate(boxes):
        for other, beside in boxes[:number]:
            across = min(box.x1, beside.x1) - max(box.x0, beside.x0)
            along = min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert min(across, along) <= 1, f"'{text}' lies on '{other}'"
