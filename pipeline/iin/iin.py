"""An invertible interpretation network (IIN): the map T and the layout of its factors, and their folder on disk.

Where it was chosen among several seeds, `seeds/<seed>/` in it is the whole folder of each of them, it among them.
"""

from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.basis.layout import Layout
from pipeline.basis.weights import CARD, read_card, read_weights, write_network
from pipeline.errors import InputError
from pipeline.files import sha256_file
from pipeline.flow import Flow, FlowConfig
from pipeline.iin.values import VALUES, Values, read_values, values_as_bytes
from pipeline.tables.axes import AXES, Axes, read_axes
from pipeline.tables.extent import EXTENT, Extent, read_extent

__all__ = ["SEEDS", "Iin", "load_iin", "save_iin", "seed_folders"]

SEEDS = "seeds"


@dataclass(frozen=True)
class Iin:
    """An invertible interpretation network, read from its folder.

    What its card says of its training are properties; each raises an InputError where the card lacks it.

    Attributes:
        flow: T, in eval mode on the CPU.
        layout: names and sizes of its factors.
        card: everything that `save_iin` was given, with `layout`, `flow` and `weights_sha256`.
        sha256: of the weights file; names the network (the MLflow tag).
        extent: how far the latents reach that it was trained on.
        axes: principal directions of the layer, along which its latents lie; None: along the layer's own.
        values: what each value of a concept is in its factor; empty where the training noted none.
    """

    flow: Flow
    layout: Layout
    card: dict[str, Any]
    sha256: str
    extent: Extent
    axes: Axes | None = None
    values: Values = field(default_factory=dict)

    @torch.no_grad()
    def transform(self, latents: Tensor) -> Tensor:
        """Codes z̃ = T(z) [n, N] of latents [n, N]."""
        code: Tensor = self.flow(latents)[0]
        return code

    @torch.no_grad()
    def inverse(self, codes: Tensor) -> Tensor:
        """Latents T⁻¹(z̃) [n, N] of codes [n, N]."""
        return self.flow.inverse(codes)

    def distance(self, latents: Tensor) -> NDArray[np.float64]:
        """How far latents [n, N] lie from those that T was trained on [n]: 99.9 % of these are within 1."""
        return self.extent.distance(latents.numpy(force=True))

    @property
    def backbone_sha256(self) -> str:
        """Of the weights of the network whose latents it was trained on."""
        return str(self._said("backbone_sha256"))

    @property
    def layer(self) -> str:
        """Where that network was cut."""
        return str(self._said("layer"))

    @property
    def rho(self) -> float:
        """The correlation of a shared factor within a pair."""
        return float(self._said("rho"))

    @property
    def seed(self) -> int:
        """Of its weights, pairs and noise: the study's own, where it was not chosen among several."""
        return int(self.card.get("chosen_seed", self._said("seed")))

    @property
    def best_step(self) -> int:
        """The training step that it is of: 0 is what it started as."""
        return int(self._said("best_step"))

    @property
    def cut(self) -> dict[str, Any]:
        """What of the layer is the latent, as `Latents.cut` has it."""
        cut: dict[str, Any] = self._said("cut")
        return cut

    @property
    def reduce(self) -> str:
        """What of a map or of tokens is the latent: each channel's `mean`, `none`, all, `token 0`, or `pca 32`."""
        return str(self.cut["reduce"])

    @property
    def channels(self) -> Literal["first", "last"] | None:
        """Which axis of the layer they are; None where it makes no difference."""
        channels: Literal["first", "last"] | None = self.cut.get("channels")
        return channels

    @property
    def kept(self) -> tuple[int, ...]:
        """Which numbers of the layer enter T [N], ascending; the others are constant and carried along."""
        return tuple(self.cut["kept"])

    @property
    def image_shape(self) -> tuple[int, int]:
        """Height and width of the images, in pixels."""
        height, width = self.cut["image_shape"]
        return height, width

    @property
    def image_range(self) -> tuple[float, float] | None:
        """The values of grey images of more than 8 bits that are black and white; None where it has seen none."""
        ends = self._said("cut").get("image_range")
        return None if ends is None else (ends[0], ends[1])

    def _said(self, key: str) -> Any:
        if key not in self.card:
            raise InputError(f"card of the map {self.sha256[:12]}: no key '{key}'; train the map anew: `dvc repro`")
        return self.card[key]


def save_iin(
    folder: Path,
    flow: Flow,
    layout: Layout,
    card: dict[str, Any],
    extent: Extent,
    *,
    metrics: str,
    axes: Path | None = None,
    values: Values | None = None,
    seeds: Path | None = None,
) -> None:
    """Write a trained flow as one folder, whole or not at all; a folder of that name is replaced.

    Nine parameters, as each is a file of the folder or a part of its card.

    Args:
        folder: where.
        flow: T.
        layout: its factors.
        card: what else a reader needs (rho, layer, backbone sha256, …); no time, host or path.
        extent: how far the training latents reach.
        metrics: content of metrics.jsonl, the curves.
        axes: file of the principal directions that the latents lie along; None: there is none.
        values: what each value of a concept is in its factor; None: it can't be set by value.
        seeds: folder of the maps of all seeds that it was chosen among, a folder each; None: it was trained alone.
    """
    reach = extent.as_bytes()
    shape = {"layout": layout.as_dict(), "flow": asdict(flow.config), "extent_sha256": sha256(reach).hexdigest()}
    besides = {AXES: axes, SEEDS: seeds}
    also: dict[str, Path | bytes] = {EXTENT: reach} | {name: path for name, path in besides.items() if path is not None}
    if values is not None:
        also[VALUES] = content = values_as_bytes(values)
        shape["values_sha256"] = sha256(content).hexdigest()
    write_network(Path(folder), flow, card | shape, metrics=metrics, also=also)


def load_iin(folder: Path) -> Iin:
    """Read what `save_iin` wrote.

    Raises:
        InputError: a file is missing or damaged, or card and weights do not belong together; the line names it.
    """
    folder = Path(folder)
    with read_card(folder, "an interpretation network") as card:
        layout, config = Layout.from_dict(card["layout"]), FlowConfig(**card["flow"])
        if layout.num_dims != config.num_dims:
            raise InputError(
                f"{folder / CARD}: sizes {list(layout.sizes)} sum to {layout.num_dims}, "
                f"expected flow.num_dims = {config.num_dims}"
            )
        flow = Flow(config)
        extent_sha256 = card["extent_sha256"]
    weights_sha256 = read_weights(folder, card, flow)
    extent, axes_sha256 = read_extent(folder / EXTENT), card.get("cut", {}).get("axes_sha256")
    _require(folder / EXTENT, extent_sha256)
    axes = None
    if axes_sha256 is not None:
        axes = read_axes(folder / AXES)
        _require(folder / AXES, axes_sha256)
    values: Values = {}
    if "values_sha256" in card:
        found = read_values(folder / VALUES)
        values = {concept: found[concept] for concept in layout.concepts if concept in found}
        _require(folder / VALUES, card["values_sha256"])
    return Iin(flow.eval(), layout, card, weights_sha256, extent, axes, values)


def seed_folders(folder: Path) -> dict[int, Path]:
    """Folders of the maps of all seeds that the one in `folder` was chosen among, by seed; none where it was alone."""
    found = {int(path.name): path for path in (Path(folder) / SEEDS).glob("[0-9]*")}
    return dict(sorted(found.items()))


def _require(path: Path, expected: str) -> None:
    """Refuse a file of another content than the card names."""
    if (found := sha256_file(path)) != expected:
        raise InputError(f"{path}: sha256 {found[:12]}, expected {expected[:12]} as its card says")
