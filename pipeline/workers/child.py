"""A function in a process of its own, started anew where it is killed: one worker without a cluster.

What `python -m pipeline.workers.child <id of its parent>` runs, pickled, it reads from its input; what that gives goes
to its output. It imports what it runs and no more: Ray would start a dozen processes, for 20 s of CPU time.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any

from pipeline.entry import die_with_parent
from pipeline.errors import InputError
from pipeline.machine import Resources
from pipeline.progress import keeping_notes, note

__all__ = ["in_child", "say_lost"]


@contextmanager
def in_child(
    resources: Resources, restarts: int, function: Callable[..., Any], *arguments: Any
) -> Iterator[Callable[[], Any]]:
    """Run a function in a child process, which ends with the block, or with this process however that ends.

    Gives what waits for its result. A child that is killed is started anew by whoever waits.

    Args:
        resources: of the child.
        restarts: how often it is started anew at most.
        function: of a module; it is given the device, and then `arguments`.
        arguments: what can be pickled.

    Raises:
        InputError: the function refuses its input.
        RuntimeError: the function raised an error, or was killed too often; what it wrote to its stderr follows.
    """
    call = pickle.dumps((function, (resources.device, *arguments)))
    with tempfile.TemporaryFile() as words:
        children = [_started(call, resources.cpus, words)]

        def wait() -> Any:
            while True:
                assert children[-1].stdout is not None
                given, code = children[-1].stdout.read(), children[-1].wait()
                if code == 0:
                    result, refusal, notes = pickle.loads(given)
                    for line in notes:
                        note(line)
                    if refusal:
                        raise InputError(refusal)
                    return result
                if code > 0 or len(children) > restarts:
                    words.seek(0)
                    raise RuntimeError(f"a worker ended in {code}\n{words.read().decode(errors='replace')}".rstrip())
                say_lost("it starts", len(children), restarts)
                children.append(_started(call, resources.cpus, words))

        try:
            yield wait
        finally:
            for child in children:
                with child:
                    child.kill()


def say_lost(who: str, start: int, restarts: int) -> None:
    """The one line of a loss: a worker was killed; who is started anew, for which time of how many."""
    print(f"a worker was lost: {who} anew, {start} of {restarts} times at most", flush=True)


def _started(call: bytes, cpus: int, words: IO[bytes]) -> subprocess.Popen[bytes]:
    # Its threads are set before a library reads them; it finds the modules that this process finds.
    own = {"OMP_NUM_THREADS": str(cpus)} | os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    child = subprocess.Popen(
        [sys.executable, "-m", "pipeline.workers.child", str(os.getpid())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=words,
        env=own,
        start_new_session=True,  # Ctrl-C is for this process, which ends the child
    )
    assert child.stdin is not None
    with suppress(BrokenPipeError), child.stdin:  # killed already, which is found where its answer is read
        child.stdin.write(call)
    return child


def _main() -> None:
    """What the child does."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        return  # the parent was killed before the kernel was asked
    answer = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    function, arguments = pickle.load(sys.stdin.buffer)
    with keeping_notes() as notes:
        try:
            given, refusal = function(*arguments), ""
        except InputError as error:
            given, refusal = None, str(error)
    with answer:
        pickle.dump((given, refusal, notes), answer)


if __name__ == "__main__":
    _main()
