"""The host process of a pool's JVM: starts it, watches it, and reports why it ended.

The first worker that needs the JVM starts a host process, which binds an abstract Unix socket
under a name made from the pool and the JVM's settings. Only one socket can have a name, so there
is one host process, even if several workers start one at the same time. The kernel frees the name
when the host process dies.

Requests are JSON lines. ``{"want": true}`` is answered with the address of the JVM, which is
started if there is none. ``{"over": LIFE}`` is answered with the reason why that life of it ended;
if it has not ended by itself, it is killed first, because the client cannot reach it.
``{"bye": true}`` says that the client ends as planned, so that no successor of it will come.

A connection is a lease: the JVM ends when the last one is closed: at once after a ``bye``, else
after two seconds, in which the successor of a crashed worker may connect. It also ends at once when
the pool's launcher dies. When the host process dies, the JVM gets SIGKILL from the kernel, and its
standard input is closed.

Its arguments are that name, the launcher's process id, and the JVM's command as JSON.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Final

import setproctitle

from ...agent.errors import TamiasError
from ...store.peer import peer_of
from .process import JvmProcess, KilledAtStartError
from .settings import JvmCommand

GRACE_SECONDS: Final = 2.0
START_ATTEMPTS: Final = 3
DEATH_SECONDS: Final = 2.0
"""The time to wait for the exit status of a JVM that a client has found dead."""


class JvmHost:
    """A pool's JVM, and the connections of the processes that need it."""

    def __init__(self, listener: socket.socket, launcher: int, command: JvmCommand) -> None:
        self._listener = listener
        self._command = command
        self._jvm: JvmProcess | None = None
        self._end_reasons: dict[str, str] = {}
        self._clients: dict[socket.socket, bytes] = {}
        self._deadline: float | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._accept)
        with contextlib.suppress(OSError):  # an older kernel; the connections are enough
            if launcher:
                descriptor = os.pidfd_open(launcher)
                self._selector.register(descriptor, selectors.EVENT_READ, self._exit)
        signal.signal(signal.SIGTERM, lambda *_: self._exit())

    def run(self) -> None:
        """Serve until no client needs the JVM."""
        self._deadline = time.monotonic() + GRACE_SECONDS
        while True:
            wait = None
            if self._deadline is not None:
                wait = self._deadline - time.monotonic()
                if wait <= 0:
                    self._exit()
            for key, _ in self._selector.select(wait):
                key.data() if key.fileobj not in self._clients else key.data(key.fileobj)

    # -- clients ------------------------------------------------------------------------------

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        if peer_of(client)[1] != os.geteuid():
            client.close()
            return
        self._deadline = None
        self._clients[client] = b""
        self._selector.register(client, selectors.EVENT_READ, self._receive)

    def _receive(self, client: socket.socket) -> None:
        try:
            data = client.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            self._drop(client, at_once=False)
            return
        *lines, self._clients[client] = (self._clients[client] + data).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "bye" in message:
                self._drop(client, at_once=True)
                return
            answer = self._end_reason(message["over"]) if "over" in message else self._provide()
            with contextlib.suppress(OSError):  # a client that has ended is found by `recv`
                client.sendall(json.dumps(answer).encode() + b"\n")

    def _drop(self, client: socket.socket, *, at_once: bool) -> None:
        self._selector.unregister(client)
        del self._clients[client]
        client.close()
        if not self._clients:
            if at_once:
                self._exit()
            self._deadline = time.monotonic() + GRACE_SECONDS

    # -- the JVM ------------------------------------------------------------------------------

    def _provide(self) -> dict[str, Any]:
        if self._jvm is not None and self._jvm.ended():
            self._reap(self._jvm)
        attempts = START_ATTEMPTS
        while self._jvm is None:
            attempts -= 1
            try:
                self._jvm = JvmProcess(self._command)
            except TamiasError as error:
                if not isinstance(error, KilledAtStartError) or not attempts:
                    return {"error": error.message, "hint": error.hint}
        return {"address": self._jvm.address}

    def _end_reason(self, life: str) -> dict[str, Any]:
        jvm = self._jvm
        if jvm is not None and jvm.address.life == life:
            if not jvm.ended(wait=DEATH_SECONDS):
                jvm.kill("it did not answer, and was killed")
            self._reap(jvm)
        return {"why": self._end_reasons.get(life, "it is gone")}

    def _reap(self, jvm: JvmProcess) -> None:
        self._end_reasons[jvm.address.life] = jvm.reap()
        self._jvm = None

    def _exit(self) -> None:
        if self._jvm is not None:
            self._jvm.kill("no process needs it")
            self._jvm.reap()
        os._exit(0)


def main() -> int:
    """Bind the socket and return; a forked child goes on as the host process."""
    name, launcher, command = sys.argv[1:]
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(f"\0{name}")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return 0  # another host process was faster
        raise
    listener.listen(128)
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    setproctitle.setproctitle(
        f"tamias host process of {Path(json.loads(command)['command'][0]).name}"
    )
    with open(os.devnull, "rb") as nothing:  # noqa: PTH123
        os.dup2(nothing.fileno(), 0)
    JvmHost(listener, int(launcher), JvmCommand(**json.loads(command))).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
