"""The judge: a small convolutional network that names each concept of an image, and knows how often it is right."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.basis.weights import CARD, read_card, read_weights, write_network
from pipeline.files import atomic_folder, write_json
from pipeline.tables.images import Images, to_unit_range

__all__ = ["Judge", "JudgeNet", "heads_of", "load_judge", "save_judge", "save_no_judge"]

Named = dict[str, NDArray[Any]]


class JudgeNet(nn.Module):
    """Convolutions and one linear head a concept: logits of its categories, or its value where it is continuous.

    Args:
        heads: concept → number of outputs.
        width: channels of the first convolution.
        seed: of the initial weights.
    """

    def __init__(self, heads: Mapping[str, int], width: int, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.trunk = nn.Sequential(
                nn.Conv2d(3, width, 3, 2, 1),
                nn.SiLU(),
                nn.Conv2d(width, 2 * width, 3, 2, 1),
                nn.GroupNorm(8, 2 * width),
                nn.SiLU(),
                nn.Conv2d(2 * width, 4 * width, 3, 2, 1),
                nn.GroupNorm(8, 4 * width),
                nn.SiLU(),
                nn.AdaptiveAvgPool2d(4),  # nothing at 32x32
                nn.Flatten(),
                nn.Linear(64 * width, 128),
                nn.SiLU(),
            )
            self.heads = nn.ModuleDict({_key(name): nn.Linear(128, size) for name, size in heads.items()})
        self._concepts = tuple(heads)

    def features(self, images: Tensor) -> Tensor:
        """What the heads read of images [B, 3, H, W] in [−1, 1]: 128 numbers each [B, 128]."""
        found: Tensor = self.trunk(images)
        return found

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Images [B, 3, H, W] in [−1, 1] to one output [B, C or D] a concept."""
        features = self.features(images)
        return {name: self.heads[_key(name)](features) for name in self._concepts}


@dataclass(frozen=True)
class Judge:
    """A trained judge.

    Attributes:
        network: in eval mode.
        accuracy: concept → balanced accuracy, or R² where it is continuous, on the test images.
        values: the continuous concepts.
        class_names: concept → names of its categories, of those that have names.
        device: where it runs.
    """

    network: JudgeNet
    accuracy: dict[str, float]
    values: tuple[str, ...]
    class_names: dict[str, list[str]]
    device: torch.device

    def name(self, images: Tensor) -> Named:
        """What images [B, 3, H, W] in [−1, 1] show: category int64 [B], or value float32 [B, D], of each concept."""
        return _name(self.network, images, self.values, self.device)


def heads_of(images: Images) -> dict[str, int]:
    """Number of outputs of each concept: its categories, or the components of its value."""
    return {
        name: images.values[name].shape[1] if name in images.values else images.num_categories[name]
        for name in images.labels
    }


def accuracy(network: JudgeNet, images: Images, device: torch.device) -> dict[str, float]:
    """Balanced accuracy of each category concept, R² (uniform over components, at least 0) of each continuous one."""
    # its imports take a second, which each process that trains a judge would pay
    from sklearn.metrics import balanced_accuracy_score, r2_score

    named = _name(network, to_unit_range(images.pixels), tuple(images.values), device)
    labelled = {name: labels >= 0 for name, labels in images.labels.items()}
    return {
        name: max(0.0, float(r2_score(images.values[name][labelled[name]], answer[labelled[name]])))
        if name in images.values
        else float(balanced_accuracy_score(images.labels[name][labelled[name]], answer[labelled[name]]))
        for name, answer in named.items()
    }


def save_judge(folder: Path, network: JudgeNet, width: int, test: Images, *, metrics: str) -> dict[str, float]:
    """Write weights, card and curves as one folder; returns the accuracy on the test images, which the card holds."""
    held_out = {name: round(value, 6) for name, value in accuracy(network, test, torch.device("cpu")).items()}
    heads = heads_of(test)
    card: dict[str, Any] = {"heads": heads, "values": sorted(test.values), "width": width}
    if names := {name: list(names) for name, names in test.class_names.items() if name in heads}:
        card["class_names"] = names
    write_network(folder, network, card | {"accuracy": held_out, "accuracy_split": "test"}, metrics=metrics)
    return held_out


def save_no_judge(folder: Path, reason: str) -> None:
    """Write that there is none, and why."""
    with atomic_folder(folder) as beside:
        write_json(beside / CARD, {"judge": None, "reason": reason, "weights_sha256": None})


def load_judge(folder: Path, device: torch.device | str = "cpu") -> Judge | None:
    """Read what `save_judge` wrote; None where `save_no_judge` did.

    Raises:
        InputError: a file is missing, damaged or of another network; the line names it.
    """
    with read_card(folder, "a judge") as card:
        if card["weights_sha256"] is None:
            return None
        network = JudgeNet(card["heads"], card["width"], seed=0)
        held_out, values = dict(card["accuracy"]), tuple(card["values"])
        class_names = dict(card.get("class_names", {}))
    read_weights(folder, card, network)
    network.requires_grad_(False)
    return Judge(network.eval().to(device), held_out, values, class_names, torch.device(device))


def _key(concept: str) -> str:
    """A concept as the name of a module, which torch takes neither with a `.` nor where it is one of ModuleDict's own.

    Example:
        >>> [_key(name) for name in ("digit", "hair.colour", "values", "100 %")]
        ['digit', 'hair%2Ecolour', '%values', '100 %25']
    """
    key = concept.replace("%", "%25").replace(".", "%2E")
    return f"%{key}" if hasattr(nn.ModuleDict(), key) else key


@torch.no_grad()
def _name(network: JudgeNet, images: Tensor, values: tuple[str, ...], device: torch.device) -> Named:
    network.eval()
    parts = [network(batch.to(device)) for batch in images.split(512)]
    outputs = {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}
    return {name: (output if name in values else output.argmax(dim=1)).numpy() for name, output in outputs.items()}
