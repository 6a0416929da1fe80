"""Ray for a stage: what it gives, what it refuses before anything starts, what it leaves behind."""

import os
import signal
import socket
from pathlib import Path

import psutil
import pytest
import ray
from ray.exceptions import AuthenticationError

from pipeline.cluster import start_ray, without_line
from pipeline.errors import InputError
from pipeline.machine import Resources
from pipeline.params import MachineParams

terminated: list[int] = []  # signals that came to the handler that was there before Ray


@pytest.fixture(scope="module")
def session():
    before = signal.signal(signal.SIGTERM, lambda number, _frame: terminated.append(number))
    with start_ray(MachineParams()) as resources:
        folder = Path(ray._private.worker._global_node.get_session_dir_path()).parent  # no public call tells it
        assert folder.is_dir()
        yield resources
    assert not ray.is_initialized()
    assert not folder.exists()
    signal.signal(signal.SIGTERM, before)


def test_all_cpus_are_given(session):
    assert session == Resources(1, 0, "cpu")
    assert ray.cluster_resources()["CPU"] >= 1


@pytest.mark.usefixtures("session")
def test_it_listens_on_this_machine_alone():
    addresses = {
        connection.laddr.ip
        for process in psutil.Process().children(recursive=True)
        for connection in process.net_connections()
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert addresses <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_ray_that_is_there_is_used_and_left_alone(session):
    with start_ray(MachineParams()) as resources:
        assert resources == session
    assert ray.is_initialized()


@pytest.mark.usefixtures("session")
def test_more_workers_than_cpus_are_refused():
    has = int(ray.cluster_resources()["CPU"])
    with (
        pytest.raises(InputError, match=rf"machine\.workers: found {has + 1}, .* but Ray has {has}"),
        start_ray(MachineParams(workers=has + 1)),
    ):
        pass


@pytest.mark.usefixtures("session")
def test_sigterm_stays_with_the_stage(capfd):
    """Ray itself would print the stack of its C++ part, and end the process in a code of its own."""
    os.kill(os.getpid(), signal.SIGTERM)
    assert terminated == [signal.SIGTERM]
    assert capfd.readouterr() == ("", "")


def test_a_cluster_that_does_not_answer_is_named(monkeypatch):
    ray.shutdown()
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with (
        pytest.raises(InputError, match=r"RAY_ADDRESS=127\.0\.0\.1:1: no Ray cluster answers there"),
        start_ray(MachineParams()),
    ):
        pass


@pytest.mark.parametrize("raised", [ConnectionError("Failed to connect"), AuthenticationError("no token was found")])
@pytest.mark.parametrize(("mode", "found"), [(None, "not set"), ("disabled", "disabled")])
def test_a_cluster_that_asks_for_a_token_is_one_line_that_names_the_variable(monkeypatch, capfd, raised, mode, found):
    """As Ray's C++ part says it, once a second, of a head that `ray start` has started with a token."""
    ray.shutdown()

    def refused(**_):
        if isinstance(raised, ConnectionError):
            os.write(2, 20 * b"gcs_client.cc:210: Failed to get cluster ID: Unauthenticated: RPC error\n")
        raise raised

    monkeypatch.setattr(ray, "init", refused)
    if mode is None:
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    else:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(InputError) as caught, start_ray(MachineParams()):
            pass
    assert str(caught.value).startswith(
        f"RAY_ADDRESS={address}: the cluster asks for a token, and RAY_AUTH_MODE is {found}; expected is "
        "RAY_AUTH_MODE=token"
    )
    assert capfd.readouterr() == ("", "")


def test_a_line_is_dropped_from_stderr_and_no_other(capfd):
    with without_line("harmless") as dropped:
        os.write(2, b"a harmless error\nan error\n")
    assert dropped == ["a harmless error\n"]
    os.write(2, b"a harmless error after the block\n")
    assert capfd.readouterr().err == "an error\na harmless error after the block\n"


def test_a_start_that_took_too_long_is_tried_once_more(monkeypatch, capsys):
    tries, start = [], ray.init

    def late_once(*args, **keywords):
        tries.append(1)
        if len(tries) == 1:
            raise Exception("The current node timed out during startup.")
        return start(*args, **keywords)

    monkeypatch.setattr(ray, "init", late_once)
    with start_ray(MachineParams()):
        assert ray.cluster_resources()["CPU"] >= 1
    assert len(tries) == 2
    assert "one more try" in capsys.readouterr().err
