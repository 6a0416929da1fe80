"""Where workers of a host will be called, and who does not answer there."""

import socket

import pytest

from pipeline.cluster.reach import ROUTE, ROUTE_OF_NCCL, hosts_of, interface_of, listen, unreached

LOOPBACK = "127.0.0.1"


def test_a_host_that_listens_is_reached_and_every_other_is_named_with_the_reason() -> None:
    (at,) = listen([LOOPBACK], "word")
    with socket.create_server((LOOPBACK, 0)) as closed:
        nobody = (LOOPBACK, int(closed.getsockname()[1]))
    (foreign,) = listen([LOOPBACK], "drow")
    assert unreached([at, nobody, foreign, at], "word") == [
        (*nobody, "Connection refused"),
        (*foreign, "another process answers there"),
    ]


@pytest.mark.parametrize(
    ("route", "nccl", "hosts", "why_not"),
    [
        ("", "", [LOOPBACK], ""),
        ("lo", "", ["10.1.2.3", LOOPBACK], ""),
        ("", "=lo", [LOOPBACK], ""),
        ("lo,eth99", "", [], "GLOO_SOCKET_IFNAME: found eth99, accepted are "),
    ],
)
def test_workers_are_called_where_ray_and_the_route_say(
    route: str, nccl: str, hosts: list[str], why_not: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROUTE, route)
    monkeypatch.setenv(ROUTE_OF_NCCL, nccl)
    found, said = hosts_of(hosts[0] if hosts else LOOPBACK)
    assert found == hosts
    assert said.startswith(why_not)
    assert bool(said) == bool(why_not)


def test_an_address_that_no_interface_has_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ROUTE, raising=False)
    assert interface_of(LOOPBACK) == "lo"
    assert hosts_of("203.0.113.1") == (
        [],
        "found no network interface of that address, set GLOO_SOCKET_IFNAME for the Ray there",
    )
