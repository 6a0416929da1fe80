"""A driver to be killed: python -m training.drive <run folder> <hold file> <machine.storage>."""

import sys
from pathlib import Path

from pipeline.entry import run
from pipeline.params import MachineParams
from pipeline.training.distributed import train_on_workers

from .small_task import CONFIG, SmallConfig, SmallTask


def main() -> None:
    task = SmallConfig(hold_at=25, hold_file=sys.argv[2])
    train_on_workers(SmallTask, task, CONFIG, MachineParams(storage=sys.argv[3]), Path(sys.argv[1]))


if __name__ == "__main__":
    run(main)
