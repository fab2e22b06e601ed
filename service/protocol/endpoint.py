"""The address of a service: its local socket, and the file `service.json` that names it.

The path of a Unix socket has at most 107 bytes, and the path of a state directory may be longer. So
the socket has a short path in a directory that only this user can enter (mode 0700), with a name
made from the path of the state directory. `service.json` in the state directory holds the address.

The control socket of a pool (`launcher/control/unix_socket.py`) has the same limit and another
answer: it is in the state directory, and is bound and connected to through a descriptor of that
directory, which is open only during the call. Here ZeroMQ binds and connects, and connects again by
itself after a loss. It takes nothing but a path, which has to stay valid all the time.

Only the launcher that holds the state directory's lock makes the socket, so one that exists already
was left by a launcher that was killed, and is replaced. The next service that starts removes the
sockets of other services that were killed and not started again.
"""

from __future__ import annotations

import os
import socket
import stat
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import PoolError
from ...store.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE_FILE: Final = "service.json"
LONGEST: Final = 107
NEW_SECONDS: Final = 60.0
_NAME: Final = "tamias"


def socket_path(state: Path) -> Path:
    """Return the path for the local socket of a service, in a directory that exists.

    Raises:
        PoolError: there is no directory that only this user can enter.
    """
    digest = blake2b(os.fsencode(state.resolve()), digest_size=8).hexdigest()
    refusals = []
    for folder in _folders():
        path = folder / f"{digest}.sock"
        if len(os.fsencode(path)) > LONGEST:
            refusals.append(f"{folder} is too long a path")
            continue
        refusal = _refusal(folder)
        if refusal is None:
            _sweep(folder)
            return path
        refusals.append(refusal)
    raise PoolError(
        f"There is no place for the local socket: {'; '.join(refusals)}.",
        hint="Set XDG_RUNTIME_DIR to a directory of this user with mode 0700.",
    )


def _folders() -> Iterator[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        yield Path(runtime) / _NAME
    yield Path("/tmp") / f"{_NAME}-{os.getuid()}"  # noqa: S108 (checked below)


def _refusal(folder: Path) -> str | None:
    """Make the directory; return what is wrong with it, None if nothing is."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except OSError as error:
        return f"{folder} cannot be made ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is not a directory"
    if status.st_uid != os.getuid():
        return f"{folder} belongs to another user"
    if status.st_mode & 0o077:
        return f"{folder} can be entered by others (its mode is {status.st_mode & 0o777:o})"
    return None


def _sweep(folder: Path) -> None:
    """Remove sockets whose servers have ended."""
    for path in folder.glob("*.sock"):
        # A new one may be bound and not listen yet.
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if time.time() - path.stat().st_mtime > NEW_SECONDS:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()


def remove_socket(path: Path) -> None:
    """Remove the socket, and its directory if that is empty then."""
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def publish(state: Path, content: dict[str, Any]) -> None:
    """Write the address of the service and its counters to the state directory."""
    write_json(state / SERVICE_FILE, content, sync=False)


def published(state: Path) -> dict[str, Any] | None:
    """Return what the last service in this state directory has published; None: there was none."""
    return read_json(state / SERVICE_FILE)
