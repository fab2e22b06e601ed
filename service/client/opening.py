"""Decides how long a client waits for its service: long if it may come, seconds if it cannot.

A service that is being started has a state directory soon, and holds its lock. A client that waits
half a minute for a directory whose name is misspelt helps nobody; the same holds for an address at
which nothing listens.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ...agent.errors import ServiceTimeoutError
from ...store.lease import Lease
from ...store.state.layout import StateLayout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT: Final = 30.0
"""Seconds to wait for a service that may still be starting."""
ABSENT_SECONDS: Final = 5.0
"""Seconds to wait for a state directory, or for a listener, that does not exist."""
IDLE_SECONDS: Final = 10.0
"""Seconds to wait for a service whose state directory exists, but is not in use."""
_PROBE_SECONDS: Final = 1.0


class Step:
    """A part of the wait.

    Attributes:
        seconds: its length.
        error: called after it; returns the error to raise, or None to go on with the next step.
    """

    def __init__(self, seconds: float, error: Callable[[], ServiceTimeoutError | None]) -> None:
        self.seconds = seconds
        self.error = error


def steps(where: str | Path, timeout: float | None) -> Iterator[Step]:
    """Yield the steps of the wait for the service at `where`.

    Args:
        where: its state directory, or its address.
        timeout: the seconds to wait whatever is found there; None: as is reasonable.
    """
    if timeout is not None:
        yield Step(timeout, lambda: unreachable(where, timeout))
        return
    yield Step(ABSENT_SECONDS, lambda: _absent(where))
    yield Step(IDLE_SECONDS - ABSENT_SECONDS, lambda: _idle(where))
    yield Step(TIMEOUT - IDLE_SECONDS, lambda: unreachable(where, TIMEOUT))


def unreachable(where: str | Path, seconds: float) -> ServiceTimeoutError:
    """The error for a service that does not answer."""
    hint = (
        "Is it running there, and does it know this client's key (tamias keys list)?"
        if "://" in str(where)
        else "Start it: tamias serve TARGET --state DIR."
    )
    return ServiceTimeoutError(
        f"The service at {where} has not answered for {seconds:g} s.", hint=hint
    )


def _absent(where: str | Path) -> ServiceTimeoutError | None:
    if "://" in str(where):
        refusal = _refusal(str(where))
        if not refusal:
            return None
        return ServiceTimeoutError(
            f"There is no service at {where}: {refusal}.",
            hint="Check the address; a service listens where --listen says.",
        )
    path = Path(where).absolute()
    if path.is_dir():
        return None
    return ServiceTimeoutError(
        f"There is no state directory {path}.",
        hint="Give the one of the service (tamias serve TARGET --state DIR), which must be "
        "running. To wait for it longer: timeout=SECONDS.",
    )


def _idle(where: str | Path) -> ServiceTimeoutError | None:
    if "://" in str(where):
        return None
    path = Path(where).absolute()
    if Lease.is_held(StateLayout(path).launcher_lock):
        return None
    return ServiceTimeoutError(
        f"No service is running in {path}.",
        hint="Start it: tamias serve TARGET --state DIR. To wait for it longer: timeout=SECONDS.",
    )


def _refusal(address: str) -> str:
    """Return why no connection to an address is possible; empty if one is, or nobody knows."""
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), _PROBE_SECONDS):
            return ""
    except (socket.gaierror, ConnectionRefusedError) as error:
        return error.strerror or str(error)
    except (OSError, ValueError):
        return ""
