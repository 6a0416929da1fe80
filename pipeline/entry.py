"""How a stage or a command starts and ends: quiet libraries, death with its parent, one line for a wrong input."""

import argparse
import ctypes
import inspect
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn

from pipeline.errors import InputError

__all__ = ["command_parser", "die_with_parent", "layer_argument", "require_results_alone", "run"]

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with_parent(sig: signal.Signals = signal.SIGTERM) -> None:
    """Ask the kernel to send `sig` to this process when its parent ends (Linux; elsewhere nothing happens).

    A killed `dvc` otherwise leaves its stage running, and the next `dvc repro` would start a second writer beside it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0)


def run(main: Callable[[], None]) -> None:
    """Run the main function of a stage.

    An InputError ends the process with exit code 1 and its one line on stderr; SIGTERM ends it with a line and 143, and
    Ctrl-C with one and 130, so that Ray's processes are shut down; anything else is a defect and keeps its traceback.
    """
    die_with_parent()
    terminated: list[int] = []

    def terminate(number: int, _frame: object) -> None:
        terminated.append(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, terminate)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", module="sklearn")  # what of them matters is said in a line of ours
    try:
        main()
    except BaseException as error:
        if terminated:  # libraries make other errors of it
            _say_stopped(signal.SIGTERM)
        if isinstance(error, InputError):
            print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
            sys.exit(1)
        if isinstance(error, KeyboardInterrupt):
            _say_stopped(signal.SIGINT)
        raise


def _say_stopped(number: signal.Signals) -> NoReturn:
    print(f"stopped by {number.name}; the same command goes on from what is on disk", file=sys.stderr)
    sys.exit(128 + number)


def command_parser(program: str, description: str | None) -> argparse.ArgumentParser:
    """A parser whose help is a module's docstring as it stands.

    Args:
        program: what a person types, such as `python -m pipeline.apply`.
        description: `__doc__` of the module.
    """
    return argparse.ArgumentParser(
        prog=program,
        description=inspect.cleandoc(description or ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def require_results_alone(out: Path, results: Collection[str]) -> None:
    """Refuse an `--out` whose content a command would lose, as it puts its results in the place of the whole folder.

    Args:
        out: the folder.
        results: names of the files and folders that the command writes into it.

    Raises:
        InputError: it is a file, is around the working folder, or holds what is no result of the command.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"--out: {out} is a file; accepted is a folder")
    if Path.cwd().is_relative_to(out.resolve()):
        raise InputError(f"--out: {out} is the working folder or around it; accepted is a folder of its own")
    if out.is_dir() and (others := sorted({entry.name for entry in out.iterdir()} - set(results))):
        raise InputError(
            f"--out: {out} holds '{others[0]}', which would be lost; accepted is a new folder, or one with nothing but "
            f"{', '.join(results)}"
        )


def layer_argument() -> str:
    """The stage's one command-line argument, `--layer`."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--layer", required=True, help="one of `layers` in params.yaml")
    return str(parser.parse_args().layer)
