"""What importing the agent does to its process: undone where it would harm, reported where not.

User code may do anything while it is imported. Some of that would make the zygote or its workers
hang or fail later, with an error that names the wrong cause:

- signals that are blocked, ignored or handled, a wakeup descriptor, a running timer: set back;
- closed standard descriptors: opened again, so that no file of the store gets their numbers;
- threads, child processes and connections: they do not survive a fork, so the launcher is told.

Functions that a library may replace (gevent does) are bound here, before the agent is imported.
"""

from __future__ import annotations

import ctypes
import logging
import os
import socket
import stat
import sys
import threading
from contextlib import suppress
from signal import (
    ITIMER_PROF,
    ITIMER_REAL,
    ITIMER_VIRTUAL,
    SIG_BLOCK,
    SIG_DFL,
    SIG_IGN,
    SIG_SETMASK,
    SIGCHLD,
    SIGHUP,
    SIGINT,
    SIGTERM,
    pthread_sigmask,
    set_wakeup_fd,
    setitimer,
)
from signal import signal as set_handler
from typing import TYPE_CHECKING, Final

from ...store.standard_streams import open_standard_descriptors

if TYPE_CHECKING:
    from collections.abc import Iterable
    from signal import Signals

_LOG: Final = logging.getLogger("tamias.worker")
_Socket: Final = socket.socket
_TIMERS: Final = (ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF)
_MOST_NAMED: Final = 3
_ADVICE: Final = (
    "which the workers, forked after the import, do not have. Make it when an action first needs"
    " it, or in a resource; or set start-method to spawn."
)


class ImportEffects:
    """The state of this process before the agent is imported, to compare with and to go back to."""

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._mask: set[Signals | int] = set(pthread_sigmask(SIG_BLOCK, ()))
        self._threads = set(threading.enumerate())
        self._connections = _connections()

    def undo(self) -> None:
        """Set back what would harm the zygote or a worker."""
        for timer in _TIMERS:
            setitimer(timer, 0)
        set_wakeup_fd(-1)
        set_handler(SIGCHLD, SIG_DFL)
        set_handler(SIGTERM, SIG_DFL)
        set_handler(SIGINT, SIG_IGN)
        set_handler(SIGHUP, SIG_IGN)
        pthread_sigmask(SIG_SETMASK, self._mask)
        open_standard_descriptors()

    def end_forked_child(self) -> None:
        """End this process if it is a child that the import has forked, and that came back."""
        if os.getpid() != self._pid:
            _LOG.error("a child that importing the agent has forked came back: it is ended")
            os._exit(1)

    def warnings(self, module: str, children: Iterable[int]) -> list[str]:
        """Describe what the workers will lack; `children` are the processes below this one."""
        made = [
            *(f"the thread {thread.name!r}" for thread in self._new_threads()),
            *(f"the process {pid} ({_command(pid)})" for pid in children),
            *(
                f"a connection to {peer}"
                for place, peer in _connections().items()
                if place not in self._connections
            ),
        ]
        if not made:
            return []
        more = f" and {len(made) - _MOST_NAMED} more" if len(made) > _MOST_NAMED else ""
        return [f"importing {module} has made {', '.join(made[:_MOST_NAMED])}{more}, {_ADVICE}"]

    def _new_threads(self) -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread not in self._threads]


def flush_streams() -> None:
    """Flush what the agent has printed; the streams may be anything, or missing."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()


def buffer_native_lines() -> None:
    """Have native code's printed lines written at once, so that a crash does not lose them."""
    with suppress(Exception):
        library = ctypes.CDLL(None)
        library.setlinebuf(ctypes.c_void_p.in_dll(library, "stdout"))


def _connections() -> dict[tuple[int, int], str]:
    """Find the connected sockets of this process: descriptor and inode, and where each leads to."""
    found = {}
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 (names are all that is needed)
        with suppress(OSError):
            at = os.fstat(int(name))
            if stat.S_ISSOCK(at.st_mode):
                found[int(name), at.st_ino] = _peer(int(name))
    return {place: peer for place, peer in found.items() if peer}


def _peer(descriptor: int) -> str:
    """Describe the other end of a socket; empty if it is not connected over a network."""
    with _Socket(fileno=os.dup(descriptor)) as one:
        if one.family not in (socket.AF_INET, socket.AF_INET6):
            return ""
        with suppress(OSError):
            host, port, *_ = one.getpeername()
            return f"{host}:{port}"
    return ""


def _command(pid: int) -> str:
    with suppress(OSError), open(f"/proc/{pid}/comm") as file:  # noqa: PTH123
        return file.read().strip()
    return "ended"
