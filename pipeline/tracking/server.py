"""Is this address an MLflow server, and does it let us in?"""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from http.client import BadStatusLine, RemoteDisconnected
from typing import TypeVar

import requests
from mlflow.utils.credentials import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from pipeline.errors import InputError, one_line

__all__ = ["NoAnswerError", "ask_server", "root_cause", "version_of", "within"]

Result = TypeVar("Result")

SEARCH = "/api/2.0/mlflow/experiments/search"  # asks for a right to read, as /health does not
GATEWAY_ERRORS = (429, 502, 503, 504)  # a proxy speaks for a server that is down or busy


class NoAnswerError(Exception):
    """The server is down, busy or out of reach: nothing that the person who started the run typed wrongly."""


def within(seconds: float, function: Callable[[], Result]) -> Result:
    """Call `function` in another thread and wait at most `seconds`.

    The time-outs of HTTP hold for one read or one address each, and name resolution has none; a stage's patience
    is for all of it together.

    Raises:
        NoAnswerError: when the time is over.
    """
    results: list[Result] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise NoAnswerError(f"waited {seconds:.0f} s")
    return results[0]


def ask_server(address: str, shown: str) -> None:
    """Ask a server for one experiment, with the credentials that MLflow would use.

    Args:
        address: of the server.
        shown: the same without a password, for messages.

    Raises:
        InputError: 401, 403, or an answer that no MLflow server gives.
        NoAnswerError: no connection, or an error of a proxy or of the server's own database.
    """
    where = f"MLFLOW_TRACKING_URI {shown}"
    try:
        response = _get(address, SEARCH, {"max_results": 1})
    except Exception as error:
        causes = list(_causes(error))
        if any(isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected) for cause in causes):
            raise InputError(
                f"{where}: answers, but not in HTTP; accepted is the address of an MLflow server"
            ) from error
        for cause in causes:
            if isinstance(cause, requests.exceptions.SSLError | requests.exceptions.InvalidURL):
                raise InputError(
                    f"{where}: {root_cause(cause)}; accepted is the address of an MLflow server"
                ) from error
        raise NoAnswerError(root_cause(error)) from error
    status = response.status_code
    if status in (401, 403):
        raise InputError(
            f"{where}: answered {status} ({_excerpt(response)}); accepted is a server that lets you in: see "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, "
            "and the server's --allowed-hosts"
        )
    try:
        body = response.json()
    except ValueError:
        body = None
    if status in GATEWAY_ERRORS or (status >= 500 and isinstance(body, dict) and "error_code" in body):
        raise NoAnswerError(f"answered {status}: {_excerpt(response)}")
    if status != 200 or not isinstance(body, dict) or "experiments" not in body:
        raise InputError(
            f"{where}: answered {status} ({_excerpt(response)}), as no MLflow server does; "
            "accepted is the address of an MLflow server"
        )


def version_of(address: str) -> str:
    """Version of the MLflow that serves an address; empty where it does not say."""
    try:
        response = _get(address, "/version", {})
    except Exception:  # whatever it is, the server was asked for more and answered
        return ""
    text = response.text.strip()
    return text if response.status_code == 200 and re.fullmatch(r"\d+\.\d+[\w.]*", text) else ""


def root_cause(error: BaseException) -> str:
    """What went wrong in the system's words ("Connection refused"), below the wrapping of MLflow and its libraries."""
    causes = list(_causes(error))
    system = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return system[-1] if system else one_line(causes[-1], 200)


def _get(address: str, path: str, query: Mapping[str, int]) -> requests.Response:
    """Ask once, with the credentials that MLflow would use."""
    response: requests.Response = http_request(  # type: ignore[no-untyped-call]
        get_default_host_creds(address),  # type: ignore[no-untyped-call]
        path,
        "GET",
        params=query,
        timeout=8,
        max_retries=0,
        raise_on_status=False,
    )
    return response


def _excerpt(response: requests.Response) -> str:
    """Start of an answer on one line."""
    text = " ".join(response.text.split())
    return text[:80] + ("…" if len(text) > 80 else "") or response.reason or "empty"


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and all that it wraps; the HTTP libraries keep causes in arguments and in `reason` too."""
    yield error
    inner = [error.__cause__ or error.__context__, getattr(error, "reason", None), *error.args]
    for cause in inner:
        if isinstance(cause, BaseException):
            yield from _causes(cause)
