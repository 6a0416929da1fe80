"""Progress of a long stage: step, figures, rate, time left; one line that renews itself, or plain lines in a log.

And what a person should know though nothing failed: a note, from whichever process.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Progress", "following", "keeping_notes", "note"]

_KEPT: ContextVar[list[str] | None] = ContextVar("notes of a worker", default=None)


class Progress:
    """Prints at most one line a second on a terminal, one each ten seconds elsewhere, and always the last.

    Args:
        name: what runs, for example "train latent".
        total: number of steps in all.
        done: steps that an earlier process already took (a resumed run), left out of the rate.
        unit: what a step is called.

    Example:
        >>> progress = Progress("train latent", 200, unit="step")
        >>> progress.update(200, loss=95.3)  # doctest: +ELLIPSIS
        train latent  200/200 steps  loss 95.3 ...
    """

    def __init__(self, name: str, total: int, done: int = 0, unit: str = "step") -> None:
        self.name, self.total, self.unit = name, total, unit
        self._first, self._start, self._last = done, time.monotonic(), float("-inf")
        self._terminal = sys.stdout.isatty()

    def update(self, done: int, **figures: float) -> None:
        """Say that `done` steps in all are done, with figures of now (for example loss=95.3)."""
        now = time.monotonic()
        finished = done >= self.total
        if not finished and now - self._last < (1 if self._terminal else 10):
            return
        self._last = now
        elapsed = now - self._start
        measured = elapsed > (0 if finished else 0.1)  # below, a first line would say anything
        rate = (done - self._first) / elapsed if measured else 0.0
        parts = [f"{self.name}  {done}/{self.total} {self.unit}s"]
        parts += [f"{key} {value:.4g}" for key, value in figures.items()]
        if rate > 0:
            parts.append(f"{rate:.4g} {self.unit}s/s")
        if finished:
            parts.append(f"in {_clock(elapsed)}")
        elif rate > 0:
            parts.append(f"{_clock((self.total - done) / rate)} left")
        line = "  ".join(parts)
        if self._terminal:
            print(f"\r\x1b[K{line}", end="\n" if finished else "", flush=True)
        else:
            print(line, flush=True)


@contextmanager
def following(poll: Callable[[], None], every: float = 0.5) -> Iterator[None]:
    """Call `poll` from a thread while the block runs, and once more when it has ended, however it ends.

    For work that happens in other processes, whose progress is read from the files that they write.

    Args:
        poll: looks, and shows what is new; never called twice at once.
        every: seconds between two calls.
    """
    ended = threading.Event()

    def follow() -> None:
        while not ended.wait(every):
            poll()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        poll()


def note(line: str) -> None:
    """Say on stderr what a person should know though nothing failed; a worker's notes are said by who started it."""
    kept = _KEPT.get()
    if kept is None:
        print(f"note: {line}", file=sys.stderr, flush=True)
    else:
        kept.append(line)


@contextmanager
def keeping_notes() -> Iterator[list[str]]:
    """Keep the notes of the block in the list, for another process to say, as nobody reads a worker's stderr."""
    kept: list[str] = []
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d} min"
