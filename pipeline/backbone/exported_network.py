"""Kind `exported`: a network that `torch.export` has written to a file, which is its own code."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pipeline.backbone.backbone import EXPORTED, Made
from pipeline.backbone.brought_network import tried
from pipeline.backbone.hook_backbone import AS_IT_IS, HookBackbone
from pipeline.backbone.named_weights import load_weights
from pipeline.errors import InputError, one_line
from pipeline.inputs.paths import weights_file
from pipeline.params import BackboneParams
from pipeline.tables.images import Images

__all__ = ["ExportedBackbone", "from_exported"]


class ExportedBackbone(HookBackbone):
    """A `torch.export` file, of which the folder keeps a copy."""

    @classmethod
    def make(cls, params: BackboneParams, images: Images, seed: int) -> Made:  # noqa: ARG003
        """Open the file, give the network other weights where there are some, and try it on two images."""
        path = Path(str(params.network))
        network = from_exported(path)
        if params.weights:
            load_weights(network, weights_file(params.weights))
        return tried(network, params, images, AS_IT_IS, path)

    @classmethod
    def build(cls, folder: Path, card: dict[str, Any]) -> nn.Module:  # noqa: ARG003
        """The network of the copy."""
        return from_exported(folder / EXPORTED)


def from_exported(path: Path) -> nn.Module:
    """The network of a `torch.export` file, with the submodules that `torch.export.unflatten` restores.

    Raises:
        InputError: the file is missing, or no exported program.
    """
    if not path.is_file():
        raise InputError(f"{path}: not there; a file that torch.export.save wrote is expected")
    try:
        network = torch.export.unflatten(torch.export.load(path))
    except (RuntimeError, ValueError, KeyError, OSError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        raise InputError(f"{path}: no exported program ({one_line(error, 200)})") from None
    return network.requires_grad_(False)  # it knows no eval mode: it runs as it was exported
