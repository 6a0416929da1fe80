"""What flows have found, in the store of a study whose next driver may be on another machine.

The folder of the flows is the driver's own, and what they find goes to the store pack by pack. Curves, and states
between two rungs, do not: a flow that goes on elsewhere begins anew there, and ends as it would have.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from pipeline.errors import InputError
from pipeline.files import write_atomic
from pipeline.storage.folder import Storage
from pipeline.tuning.trial import TrialSetup, figures_file

__all__ = ["Kept"]

AT_ONCE = 16  # files that are asked for


class Kept:
    """The store's copy of what flows have found.

    Args:
        trials: the folder of the flows.
        store: its like in the store.
        rungs: steps at which flows are compared, without the last one.
    """

    def __init__(self, trials: Path, store: Storage, rungs: Iterable[int]) -> None:
        self._trials, self._store, self._away = trials, store, False
        self._files = [figures_file(None), *map(figures_file, rungs)]

    def bring(self) -> None:
        """Let the folder hold what the store does.

        Raises:
            InputError: the store is away for long.
        """
        wanted = [(flow, file) for flow in self._store.names() for file in self._files]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self._bring, wanted))

    def keep(self, pack: Iterable[TrialSetup]) -> None:
        """Let the store hold what flows have found; where it is away for long, a line says that no more goes there."""
        try:
            for setup in pack if not self._away else ():
                for file in self._files:
                    if (path := setup.folder / file).is_file():
                        self._store.at(setup.folder.name).write(file, path.read_bytes())
        except InputError as error:
            self._away = True
            why, _, _ = str(error).partition("; tried for")
            print(f"{why}; the sweep goes on, and what it finds from now on stays in {self._trials}", flush=True)

    def _bring(self, wanted: tuple[str, str]) -> None:
        flow, file = wanted
        if not (path := self._trials / flow / file).is_file():
            with suppress(FileNotFoundError):
                write_atomic(path, self._store.at(flow).read(file))
