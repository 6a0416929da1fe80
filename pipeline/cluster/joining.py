"""Joining a Ray cluster that runs already: each cause why it can't be is one line, said within seconds.

Ray itself asks for half a minute, and its C++ part writes a line each second. So its head is asked first.
"""

import json
import logging
import os
from collections.abc import Mapping
from typing import Any

import grpc
import ray
from ray._private import services, utils  # there is no public way to ask a head who it is
from ray._private.grpc_utils import init_grpc_channel  # likewise
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined] # nor to read variables anew
from ray.core.generated import gcs_service_pb2, gcs_service_pb2_grpc

from pipeline.errors import InputError, one_line

__all__ = ["answers", "is_up", "join", "read_auth_anew"]

MODE, TOKEN = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN"
SECONDS = 10.0  # for which the head of a cluster is asked


def join(address: str, runtime_env: dict[str, Any] | None = None) -> None:
    """Have this process join the cluster at an address, with the token of this host where it asks for one.

    Args:
        address: of RAY_ADDRESS.
        runtime_env: of Ray, of all that this process starts there.

    Raises:
        InputError: no cluster answers there, it refuses the token, is of another Ray or Python, or has no node here.
    """
    try:
        if not address.startswith("ray://"):
            _look(address)
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, runtime_env=runtime_env)
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"RAY_ADDRESS={address}: the cluster can't be joined: {one_line(error)}") from None


def answers(address: str) -> bool:
    """Whether the head of a cluster that this process has joined still answers."""
    try:
        _ask(address)
    except grpc.RpcError:
        return False
    return True


def is_up(node: Mapping[str, Any]) -> bool:
    """Whether the Ray of a node of the cluster answers within 5 seconds; Ray itself needs half a minute to know.

    Args:
        node: as Ray describes it.
    """
    address = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
    with init_grpc_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
        except grpc.RpcError as error:  # who refuses to say is up
            return error.code() not in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE)
    return True


def read_auth_anew() -> None:
    """Have Ray, which reads them once, read the variables of the environment that say how it authenticates."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _look(address: str) -> None:
    """Ask the head who it is."""
    found = f"RAY_ADDRESS={address}"
    try:
        head = services.canonicalize_bootstrap_address(address)
    except (OSError, ValueError) as error:
        raise InputError(f"{found}: no Ray cluster answers there ({one_line(error)})") from None
    try:
        cluster = _ask_with_token(head, found)
    except grpc.RpcError as error:
        raise InputError(f"{found}: no Ray cluster answers there ({_words(error)})") from None
    here = dict(zip(("ray_version", "python_version"), utils.compute_version_info(), strict=True))
    try:
        utils.check_version_info(dict(cluster), "")
    except RuntimeError:
        raise InputError(
            f"{found}: the cluster runs Ray {cluster['ray_version']} with Python {cluster['python_version']}, found "
            f"here are Ray {here['ray_version']} and Python {here['python_version']}; accepted is the same on "
            "all nodes, as requirements.lock makes it"
        ) from None


def _ask_with_token(head: str, found: str) -> Mapping[str, str]:
    """What a head says of itself; where it asks for a token, and no mode is set, this host's is used from now on."""
    mode = os.environ.get(MODE, "")
    if mode == "token" and not _has_token():
        raise InputError(f"{found}: {MODE} is token, and no token was found; {_ACCEPTED}")
    try:
        return _ask(head)
    except grpc.RpcError as error:
        if error.code() != grpc.StatusCode.UNAUTHENTICATED:
            raise
    if mode not in ("", "token"):
        raise InputError(f"{found}: the cluster asks for a token, and {MODE} is {mode}; accepted is token, or none")
    if not _has_token():
        raise InputError(f"{found}: the cluster asks for a token, and none was found; {_ACCEPTED}")
    if not mode:
        os.environ[MODE] = "token"
        read_auth_anew()
        try:
            return _ask(head)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAUTHENTICATED:
                raise
    raise InputError(f"{found}: the cluster refuses the token that was found; {_ACCEPTED}")


def _has_token() -> bool:
    """Whether this host has one; asked where one is needed alone, as Ray then asks for it itself, in any mode."""
    return bool(AuthenticationTokenLoader.instance().has_token(ignore_auth_mode=True))


_ACCEPTED = f"accepted is that of its head, in {TOKEN}, in the file that {TOKEN}_PATH names, or in ~/.ray/auth_token"


def _ask(head: str) -> dict[str, str]:
    """What the head at an address says of its versions.

    Raises:
        grpc.RpcError: it does not answer, or refuses to.
    """
    request = gcs_service_pb2.InternalKVGetRequest(key=b"CLUSTER_METADATA", namespace=b"cluster")
    with init_grpc_channel(head, options=[("grpc.enable_http_proxy", 0)]) as channel:
        reply = gcs_service_pb2_grpc.InternalKVGcsServiceStub(channel).InternalKVGet(
            request, timeout=SECONDS, wait_for_ready=False
        )
    said: dict[str, str] = json.loads(reply.value or b"{}")
    return {"ray_version": "unknown", "python_version": "unknown"} | said


def _words(error: grpc.RpcError) -> str:
    """What the network says of it, at the end of what gRPC says."""
    return " ".join((error.details() or error.code().name).split()).rpartition(": ")[2]
