"""The client of a running pool's control socket."""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Any

from ...agent.errors import PoolError, UsageError
from ...agent.failures.error_json import error_from_json
from ...store.state.directory import StateDirectory
from .unix_socket import LARGEST_BODY, connect_to

if TYPE_CHECKING:
    from pathlib import Path


class NoAnswerError(PoolError):
    """No launcher uses the state directory, or it does not answer."""


class _Connection(HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("tamias", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        """As `HTTPConnection.connect`."""
        self.sock = connect_to(self._path, self.timeout)


def send_request(
    state: Path,
    name: str,
    arguments: dict[str, Any] | None = None,
    *,
    wait: float | None = None,
) -> dict[str, Any]:
    """Send a request to the pool of a state directory, and return its answer.

    Args:
        state: the state directory.
        name: the request: `status`, `scale`, `reload`, ...
        arguments: of the request; None, only for `status`, sends a GET.
        wait: seconds to wait for the answer; None: without a limit.

    Raises:
        StoreFormatError: there is no such state directory.
        NoAnswerError: no launcher listens, or no answer has arrived.
        UsageError: it is too large for a launcher.
        TamiasError: the error that the pool answers with.
    """
    with StateDirectory.view(state) as view:
        pid = view.launcher_pid()
        path = view.layout.control_socket
    if pid is None:
        raise NoAnswerError(
            f"No launcher is at work in {state}.",
            hint="Start one: tamias run, resume or serve.",
        )
    body = None if arguments is None else json.dumps(arguments)
    if body is not None and len(body) > LARGEST_BODY:
        raise UsageError(
            f"That is too large for a running launcher: it has {len(body):,} bytes in JSON.",
            hint=f"At most {LARGEST_BODY:,}: send a reference to it instead.",
        )
    connection = _Connection(path, wait)
    try:
        connection.request("GET" if body is None else "POST", f"/{name}", body)
        answer = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError) as error:
        raise NoAnswerError(
            f"The launcher of {state} (pid {pid}) does not answer: "
            f"{str(error) or type(error).__name__}.",
            hint="It may just be starting or ending; tamias status shows it.",
        ) from error
    finally:
        connection.close()
    if "error" in answer:
        raise error_from_json(answer["error"])
    return dict(answer)
