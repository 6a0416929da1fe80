"""A driver for the head of a cluster: python over_two_nodes.py <folder> [shipped].

Each worker leaves its address in the folder, and the driver the curve and the weights.
"""

import os
import sys
from pathlib import Path
from typing import Literal

import torch
from training.small_task import CONFIG, SmallConfig, SmallTask

from pipeline.entry import run
from pipeline.params import MachineParams
from pipeline.training.distributed import train_on_workers


class SeenTask(SmallTask):
    """The small task, which says where it is made: `hold_file` is the folder to say it in."""

    def __init__(self, config: SmallConfig, device: torch.device) -> None:
        super().__init__(config, device)
        import ray.util  # in a worker

        (Path(config.hold_file) / f"node-{ray.util.get_node_ip_address()}").write_text(str(os.getpid()))


def main() -> None:
    folder = Path(sys.argv[1])
    code: Literal["shared", "shipped"] = "shipped" if "shipped" in sys.argv else "shared"
    machine = MachineParams(workers=2, storage=str(folder), code=code)
    result = train_on_workers(SeenTask, SmallConfig(hold_file=str(folder)), CONFIG, machine, folder / "small-0123")
    (folder / "metrics.jsonl").write_text(result.metrics)
    torch.save(result.model, folder / "model.pt")


if __name__ == "__main__":
    run(main)
