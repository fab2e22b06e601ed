"""A process's access to its JVM: the one of its pool, or one that the environment names.

``TAMIAS_JVM_PORT`` and ``TAMIAS_JVM_TOKEN`` name a py4j gateway with `tamias.resources.Resources`
as its entry point, on the loopback interface unless ``TAMIAS_JVM_HOST`` names another. The
operator of a Flink task sets them. Without them, the host process of the pool (`jvm_host`) has the
JVM.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import ConfigError, JvmError
from ...environments.launch import Launch
from ...store.peer import peer_of
from ...worker.process.worker import POOL_VARIABLE
from .py4j_client import Address
from .settings import jvm_command

if TYPE_CHECKING:
    from .settings import JvmCommand, JvmSettings

PORT: Final = "TAMIAS_JVM_PORT"
TOKEN: Final = "TAMIAS_JVM_TOKEN"  # noqa: S105 (the name of a variable)
HOST: Final = "TAMIAS_JVM_HOST"

ANSWER_SECONDS: Final = 180.0
"""The longest time for an answer: a host process may start two JVMs, one after the other."""


class GivenJvm:
    """A JVM that another process has started and owns."""

    def __init__(self, address: Address) -> None:
        self._address = address

    @classmethod
    def from_environment(cls) -> GivenJvm | None:
        """The JVM that the environment names, if it names one.

        Raises:
            ConfigError: the port is not a number, or there is no token.
        """
        port, token = os.environ.get(PORT), os.environ.get(TOKEN)
        if port is None:
            return None
        if not port.isdecimal() or not token:
            raise ConfigError(
                f"{PORT} is {port!r}, and {TOKEN} is {'set' if token else 'not set'}.",
                hint="Set both, to the port and the token of a py4j gateway, or neither.",
            )
        return cls(Address(os.environ.get(HOST, "127.0.0.1"), int(port), token))

    def address(self) -> Address:
        """Its address."""
        return self._address

    def end_reason(self, life: str) -> str:  # noqa: ARG002 (it has one life only)
        """Why it cannot be reached."""
        return f"nothing answers at port {self._address.port} (see {PORT})"

    def leave(self) -> None:
        """Nothing to do."""


class SharedJvm:
    """The JVM of this pool; outside of a pool, of this process."""

    def __init__(self, command: JvmCommand) -> None:
        """`command` starts it."""
        self._command = command
        pool = os.environ.get(POOL_VARIABLE) or f"{os.getpid()}:"
        self._launcher = pool.partition(":")[0]
        identity = f"{os.geteuid()} {pool} {self._command.digest()}"
        self._name = f"tamias-jvm-{blake2b(identity.encode(), digest_size=16).hexdigest()}"
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def address(self) -> Address:
        """Its address; starts it if there is none.

        Raises:
            JvmError: it does not start.
        """
        answer = self._ask({"want": True})
        if "error" in answer:
            raise JvmError(answer["error"], hint=answer["hint"])
        return Address(*answer["address"])

    def end_reason(self, life: str) -> str:
        """End this life of the JVM, if it has not ended; return the reason."""
        try:
            return str(self._ask({"over": life})["why"])
        except JvmError:
            return "its host process is gone"

    def leave(self) -> None:
        """Give it up: this process does not need it any more."""
        with self._lock:
            if self._socket is not None:
                with contextlib.suppress(OSError):
                    self._socket.sendall(b'{"bye": true}\n')
                self._socket.close()
                self._socket = None

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        line = json.dumps(message).encode() + b"\n"
        with self._lock:
            deadline = time.monotonic() + ANSWER_SECONDS
            while True:
                try:
                    if self._socket is None:
                        self._socket = self._connect(deadline)
                    self._socket.sendall(line)
                    return _answer(self._socket)
                except OSError as error:  # it was killed, or was about to end
                    if self._socket is not None:
                        self._socket.close()
                        self._socket = None
                    if time.monotonic() > deadline:
                        raise JvmError(
                            f"The host process of the JVM does not answer: {error}.",
                            hint="Look into the pool's log for its messages.",
                        ) from None
                    time.sleep(0.02)

    def _connect(self, deadline: float) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(max(1.0, deadline - time.monotonic()))
        try:
            try:
                connection.connect(f"\0{self._name}")
            except ConnectionRefusedError:
                _start_host(self._name, self._launcher, self._command)
                connection.connect(f"\0{self._name}")
            _check_user(connection)
        except BaseException:
            connection.close()
            raise
        return connection


def _check_user(connection: socket.socket) -> None:
    """Check that a process of this user answers: any user of the machine can take the name.

    Raises:
        JvmError: another user does.
    """
    _, user = peer_of(connection)
    if user not in (0, os.geteuid()):
        raise JvmError(
            f"A process of user {user} has taken the name of this pool's JVM.",
            hint="Another user of this machine is attacking it: find that process.",
        )


def _start_host(name: str, launcher: str, command: JvmCommand) -> None:
    arguments = [name, launcher, json.dumps(command.to_json())]
    # A session of its own, because the process group of this worker is killed with the worker.
    done = subprocess.run(
        Launch.own().command("tamias.bridge.jvm.jvm_host:main", *arguments),
        check=False,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        # It can import all that this process can import.
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        raise JvmError(
            f"The host process of the JVM ended with status {done.returncode}.",
            hint="Look into the pool's log for its messages.",
        )


def _answer(connection: socket.socket) -> dict[str, Any]:
    data = b""
    while not data.endswith(b"\n"):
        part = connection.recv(1 << 16)
        if not part:
            raise ConnectionResetError("it has closed the connection")
        data += part
    answer: dict[str, Any] = json.loads(data)
    return answer


def access_jvm(settings: JvmSettings) -> GivenJvm | SharedJvm:
    """The JVM of this process.

    Raises:
        ConfigError: the environment, or the configuration, is wrong.
        MissingExtraError: what is needed to start one is not installed.
        BridgeError: our sources do not compile.
    """
    return GivenJvm.from_environment() or SharedJvm(jvm_command(settings))
