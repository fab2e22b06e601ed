"""Finding the keeper of this process, or starting it.

A pool has one keeper for each generation of its workers. Its socket is in the folder `run` of the
state directory, which only the pool's user can enter. The worker that needs it first starts it: it
makes the socket, which the keeper inherits, so nobody has to wait until it is ready. A lock on a
file beside it, which the kernel releases at any death, keeps two workers from starting one each.

Outside of a pool a process has a keeper of its own.

The keeper is started in a session of its own, because the process group of a worker is killed with
the worker. It ends with the pool: the reaper of the zygote that it descends from kills it. With the
start method `spawn` each worker has a reaper, which must spare it: it ends with the launcher then.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import fcntl
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.errors import MissingExtraError
from ...agent.resources.mcp_server import MCPUnavailableError
from .connection import KeeperConnection
from .frames import is_own_user

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .parameters import Parameters

POOL_VARIABLE: Final = "TAMIAS_POOL"
"""Set in workers: the launcher's process id, a colon, the state directory."""
GENERATION_VARIABLE: Final = "TAMIAS_GENERATION"
"""Set in workers: the number of their generation, a colon, their start method."""
TITLE: Final = "tamias keeper of"
SPARED_TITLE: Final = "tamias host process of"
"""How the command line of a process begins that a reaper spares."""
_KEPT_VARIABLES: Final = frozenset(
    [
        "HOME",
        "LANG",
        "LANGUAGE",
        "LC_ALL",
        "LC_CTYPE",
        "LOGNAME",
        "PATH",
        "SHELL",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "TERM",
        "TMPDIR",
        "TZ",
        "USER",
        "VIRTUAL_ENV",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "no_proxy",
    ]
)
"""What the keeper inherits of the environment; servers inherit less."""

LEAVE_SECONDS: Final = 8.0
"""How long a server has to end."""

_lock: Final = threading.Lock()
_users: Counter[tuple[int, str]] = Counter()
"""How many resources need a server, by process and server."""
_connections: dict[tuple[int, str], KeeperConnection] = {}
"""By process and socket: a forked child must not use its parent's."""
_own_folders: dict[int, Path] = {}
_started: list[subprocess.Popen[bytes]] = []


class _Place(NamedTuple):
    """Where the socket of a keeper is, and with which process it ends."""

    socket: Path
    owner: int
    is_spared: bool


def connection(server: str) -> KeeperConnection:
    """The connection of this process to its keeper, which is started if there is none.

    Args:
        server: the server that is wanted, for messages.

    Raises:
        MissingExtraError: the SDK is not installed.
        MCPUnavailableError: it does not start.
    """
    with _lock:
        place = _place()
        key = os.getpid(), str(place.socket)
        found = _connections.get(key)
        if found is None or found.is_lost:
            found = _connections[key] = KeeperConnection(_connect(place, server))
        return found


def enter(parameters: Parameters) -> None:
    """Say that a resource of this process needs a server, until `leave`."""
    with _lock:
        _users[os.getpid(), parameters.key()] += 1


def leave(parameters: Parameters) -> None:
    """Give a server up; it ends if nothing else in the pool needs it."""
    process, key = os.getpid(), parameters.key()
    with _lock:
        _users[process, key] -= 1
        if _users[process, key] > 0:
            return
        del _users[process, key]
        is_last = not any(user == process for user, _ in _users)
        found = [kept for kept in _connections.items() if kept[0][0] == process]
    for place, keeper in found:
        with suppress(OSError, TimeoutError, concurrent.futures.TimeoutError):
            _, future = keeper.send({"op": "bye", "server": parameters.to_json()})
            future.result(LEAVE_SECONDS)
        if is_last:
            with _lock:
                _connections.pop(place, None)
            keeper.close()


def check_extra(server: str) -> None:
    """Check that the SDK is installed, without importing it.

    Raises:
        MissingExtraError: it is not.
    """
    if importlib.util.find_spec("mcp") is None:
        raise MissingExtraError(
            f"The MCP server {server!r} needs the MCP SDK, which is not installed.",
            hint="Install it with: pip install 'tamias[mcp]'",
        )


def _place() -> _Place:
    launcher, _, state = os.environ.get(POOL_VARIABLE, "").partition(":")
    generation, _, start = os.environ.get(GENERATION_VARIABLE, "").partition(":")
    if launcher and generation:
        path = Path(state) / "run" / f"mcp-{generation}"
        return _Place(path, int(launcher), is_spared=start == "spawn")
    return _Place(_own_folder() / "mcp", os.getpid(), is_spared=False)


def _own_folder() -> Path:
    """A folder for the socket of a keeper that is this process's own."""
    process = os.getpid()
    folder = _own_folders.get(process)
    if folder is None or not folder.is_dir():
        folder = _own_folders[process] = Path(tempfile.mkdtemp(prefix="tamias-mcp-"))
        atexit.register(_remove, folder, process)
    return folder


def _remove(folder: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


@atexit.register
def _disown() -> None:
    """Say that keepers which are still running are no mistake: they end with this process."""
    for process in _started:
        if process.poll() is None:
            process.returncode = 0


def _connect(place: _Place, server: str) -> socket.socket:
    check_extra(server)
    _started[:] = [each for each in _started if each.poll() is None]
    try:
        with _locked(place.socket.with_name(f"{place.socket.name}.lock")):
            made = _connect_to(place.socket)
            if made is None:
                _start(place)
                made = _connect_to(place.socket)
    except OSError as error:
        raise MCPUnavailableError(
            f"The keeper of MCP servers cannot be started: {error}.",
            hint="Its socket is in the folder run of the state directory.",
            server=server,
        ) from error
    if made is None or not is_own_user(made):
        raise MCPUnavailableError(
            "The keeper of MCP servers has ended while it was starting.",
            hint="Look into the pool's log for its messages.",
            server=server,
        )
    return made


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """Yield a name for `path` that is short enough for a socket."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def _connect_to(path: Path) -> socket.socket | None:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with _short(path) as name:
            made.connect(name)
    except (FileNotFoundError, ConnectionRefusedError):
        made.close()
        return None
    except BaseException:
        made.close()
        raise
    return made


def _start(place: _Place) -> None:
    place.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        os.fchmod(listener.fileno(), 0o600)  # before there is anything to connect to
        with _short(place.socket) as name:
            listener.bind(name)
        listener.listen(128)
        given = json.dumps({"listener": listener.fileno(), "owner": place.owner})
        title = SPARED_TITLE if place.is_spared else TITLE
        environment = {name: value for name, value in os.environ.items() if name in _KEPT_VARIABLES}
        # It can import all that this process can import.
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        _started.append(
            subprocess.Popen(
                [sys.executable, "-m", "tamias.models.mcp.keeper.main", given, title],
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                env=environment,
            )
        )
