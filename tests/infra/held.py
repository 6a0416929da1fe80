"""A driver for the head of a cluster, whose training holds still: python held.py <folder> <workers>.

The weights that it ends in it leaves in the folder.
"""

import sys
from pathlib import Path

import torch
from training.small_task import CONFIG, SmallConfig, SmallTask

from pipeline.entry import run
from pipeline.params import MachineParams
from pipeline.training.distributed import train_on_workers


def main() -> None:
    folder = Path(sys.argv[1])
    task = SmallConfig(hold_at=25, hold_file=str(folder / "held"))
    machine = MachineParams(workers=int(sys.argv[2]), storage=str(folder), node_wait=25)  # longer than a head is silent
    result = train_on_workers(SmallTask, task, CONFIG, machine, folder / "small-0123")
    torch.save(result.model, folder / "model.pt")


if __name__ == "__main__":
    run(main)
