"""A trained interpretation network on disk: one folder with weights, layout, card and curves.

    weights.safetensors   the flow's parameters and buffers; equal weights give equal bytes
    card.json             layout, shape of the flow, rho, what it was trained on, sha256 of the weights
    metrics.jsonl         its curves

The folder appears whole or not at all, and is checked when read: a card and weights that do not belong together are
refused.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save

from pipeline.errors import InputError
from pipeline.files import atomic_folder, read_json, sha256_file
from pipeline.flow import Flow, FlowConfig
from pipeline.layout import Layout

__all__ = ["Iin", "load_iin", "save_iin"]

WEIGHTS, CARD, METRICS = "weights.safetensors", "card.json", "metrics.jsonl"


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
        flow: T; its weights are stored without time or host, so that equal weights give equal bytes.
        layout: its factors.
        card: what else a reader needs (rho, layer, backbone sha256, …); no time, host or path.
        metrics: content of metrics.jsonl, the curves.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(flow.state_dict().items())}
    with atomic_folder(Path(folder)) as beside:
        (beside / WEIGHTS).write_bytes(save(state))
        parts = {
            "layout": layout.as_dict(),
            "flow": asdict(flow.config),
            "weights_sha256": sha256_file(beside / WEIGHTS),
        }
        text = json.dumps(card | parts, indent=2, allow_nan=False, ensure_ascii=False)
        (beside / CARD).write_text(text + "\n")
        (beside / METRICS).write_text(metrics)


def load_iin(folder: Path) -> Iin:
    """Read what `save_iin` wrote.

    Raises:
        InputError: a file is missing or damaged, or card and weights do not belong together; the line names it.
    """
    path, weights = Path(folder) / CARD, Path(folder) / WEIGHTS
    card = read_json(path)
    try:
        layout, config, expected = Layout.from_dict(card["layout"]), FlowConfig(**card["flow"]), card["weights_sha256"]
    except (KeyError, TypeError, ValueError) as error:
        reason = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: no card of an interpretation network ({reason})") from None
    if layout.num_dims != config.num_dims:
        raise InputError(
            f"{path}: sizes {list(layout.sizes)} sum to {layout.num_dims}, expected flow.num_dims = {config.num_dims}"
        )
    if not weights.is_file():
        raise InputError(f"{weights}: not there, although {CARD} is; run `dvc repro`")
    found = sha256_file(weights)
    if found != expected:
        raise InputError(f"{weights}: sha256 {found[:12]}…, expected {expected[:12]}… as {CARD} says")
    flow = Flow(config)
    try:
        flow.load_state_dict(load_file(weights))
    except (SafetensorError, RuntimeError) as error:
        raise InputError(f"{weights}: does not fit the flow of {CARD} ({' '.join(str(error).split())})") from None
    return Iin(flow.eval(), layout, card, found)
