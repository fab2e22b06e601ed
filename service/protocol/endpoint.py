"""Where a service can be reached: its local socket, and the file that says where that is.

The path of a Unix socket ends at 107 bytes, and a state directory may lie as deep as it likes. So
the socket has a short path in a directory of the user's own (mode 0700: that is what keeps others
out), with a name made of the state directory's. The state directory's `service.json` tells it.

Only the launcher that holds the state directory's lock makes the socket, so one that is there
already was left by a launcher that was killed, and is replaced. Those of others that were killed,
and have not come back, are swept out by the next service that starts.
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
    """The path for the local socket of the service in a state directory; its directory exists.

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
    """Make the directory; returns what is wrong with it, if anything is."""
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
    except OSError as error:
        return f"{folder} cannot be made ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode):
        return f"{folder} is not a directory"
    if status.st_uid != os.getuid():
        return f"{folder} belongs to somebody else"
    if status.st_mode & 0o077:
        return f"{folder} can be entered by others (its mode is {status.st_mode & 0o777:o})"
    return None


def _sweep(folder: Path) -> None:
    """Remove sockets whose servers have ended."""
    for path in folder.glob("*.sock"):
        # One that is new may be bound and not listened on yet.
        with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
            if time.time() - path.stat().st_mtime > NEW_SECONDS:
                try:
                    probe.connect(str(path))
                except ConnectionRefusedError:
                    path.unlink()


def remove_socket(path: Path) -> None:
    """Leave nothing behind: not the socket, nor its directory if it is the last there."""
    with suppress(OSError):
        path.unlink()
    with suppress(OSError):
        path.parent.rmdir()


def publish(state: Path, content: dict[str, Any]) -> None:
    """Say in the state directory how to reach its service, and how it stands."""
    write_json(state / SERVICE_FILE, content, sync=False)


def published(state: Path) -> dict[str, Any] | None:
    """What the last service in this state directory has said; None if there was none."""
    return read_json(state / SERVICE_FILE)
