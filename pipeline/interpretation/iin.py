"""An invertible interpretation network (IIN) on disk: the flow and the layout of its factors, as one folder."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.basis.layout import Layout
from pipeline.basis.weights import CARD, read_card, read_weights, write_network
from pipeline.errors import InputError
from pipeline.flow import Flow, FlowConfig

__all__ = ["Iin", "load_iin", "save_iin"]


@dataclass(frozen=True)
class Iin:
    """An invertible interpretation network, read from its folder.

    Attributes:
        flow: T, in eval mode on the CPU.
        layout: names and sizes of its factors.
        card: everything that `save_iin` was given, with `layout`, `flow` and `weights_sha256`.
        sha256: of the weights file; names the network (the MLflow tag).
    """

    flow: Flow
    layout: Layout
    card: dict[str, Any]
    sha256: str


def save_iin(folder: Path, flow: Flow, layout: Layout, card: dict[str, Any], *, metrics: str) -> None:
    """Write a trained flow as one folder, whole or not at all; a folder of that name is replaced.

    Args:
        folder: where.
        flow: T.
        layout: its factors.
        card: what else a reader needs (rho, layer, backbone sha256, …); no time, host or path.
        metrics: content of metrics.jsonl, the curves.
    """
    shape = {"layout": layout.as_dict(), "flow": asdict(flow.config)}
    write_network(Path(folder), flow, card | shape, metrics=metrics)


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
    sha256 = read_weights(folder, card, flow)
    return Iin(flow.eval(), layout, card, sha256)
