"""Calls of our Java entry point over py4j: text in, text out.

py4j's own client hides why a call has failed, and may send it again by itself. So this one uses
only py4j's connections and its protocol. A connection serves one call at a time, so there are as
many as concurrent calls. One that has failed is not used again.

When a JVM has died, any process may bind its port. A JVM of ours (`Address.life`) accepts its
token, so a process that refuses it is another one; and a process of another user does not get it.
A JVM that is not ours may belong to another user, and its token may be wrong.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from ...agent.errors import BridgeError, MissingExtraError
from .port_owner import listening_users

if TYPE_CHECKING:
    from py4j.java_gateway import GatewayConnection

CONNECT_SECONDS = 30.0


class Address(NamedTuple):
    """The address of an entry point."""

    host: str
    port: int
    token: str
    target: str = "t"
    """py4j's name of the object; ``t`` is the entry point of the gateway."""
    life: str = ""
    """Identifies one run of a JVM of ours, and begins with its process id; empty for others."""


class JvmUnreachableError(Exception):
    """The JVM is gone, or does not answer in time (`late`)."""

    def __init__(self, cause: BaseException, *, late: bool) -> None:
        super().__init__(str(cause) or type(cause).__name__)
        self.late = late


class Py4jClient:
    """Calls the methods of one entry point; can be used from several threads."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._idle: list[GatewayConnection] = []
        self._lock = threading.Lock()
        self._closed = False

    def call(self, method: str, *args: str | int, timeout: float) -> str:
        """Call a method of the entry point, and return its result.

        Raises:
            JvmUnreachableError: the JVM is gone, or has not answered within `timeout` seconds.
            BridgeError: it has no such entry point, or refuses the token.
            MissingExtraError: py4j is not installed.
        """
        return str(self._send(self._address.target, method, args, timeout))

    def static(self, clazz: str, method: str, *, timeout: float) -> str:
        """The name, for `Address.target`, of the object that a static method returns.

        Raises as `call`.
        """
        return str(self._send(f"z:{clazz}", method, (), timeout))

    def close(self) -> None:
        """Close all connections; those in use are closed when their calls end."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            _close(connection)

    def _send(self, target: str, method: str, args: tuple[str | int, ...], timeout: float) -> Any:
        protocol, network_error = _py4j()
        command = f"{protocol.CALL_COMMAND_NAME}{target}\n{method}\n"
        command += "".join(protocol.get_command_part(arg) for arg in args) + "e\n"
        connection = self._connection()
        try:
            connection.socket.settimeout(timeout)
            answer = connection.send_command(command)
        except network_error as error:
            _close(connection)
            cause = error.cause or error
            raise JvmUnreachableError(cause, late=isinstance(cause, TimeoutError)) from None
        except BaseException:
            _close(connection)  # its answer may still come, and the next call must not get it
            raise
        self._give_back(connection)
        kind, text = answer[:2], answer[2:]
        if kind == protocol.SUCCESS + protocol.STRING_TYPE:
            return protocol.unescape_new_line(text)
        if kind == protocol.SUCCESS + protocol.REFERENCE_TYPE:
            return text
        if kind == protocol.ERROR + protocol.REFERENCE_TYPE and method != "toString":
            text = str(self._send(text, "toString", (), timeout))
        raise BridgeError(
            f"The JVM at port {self._address.port} cannot do {method}: {text[:500]}",
            hint="Is it one for Java resources, with tamias.resources.Resources as entry point?",
        )

    def _give_back(self, connection: GatewayConnection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        _close(connection)

    def _connection(self) -> GatewayConnection:
        from py4j.java_gateway import GatewayConnection, GatewayParameters  # noqa: PLC0415

        with self._lock:
            if self._idle:
                return self._idle.pop()
        address = self._address
        protocol, network_error = _py4j()
        # Without the token, which py4j would send before the listener has been looked at.
        connection = GatewayConnection(
            GatewayParameters(address=address.host, port=address.port, read_timeout=CONNECT_SECONDS)
        )
        try:
            connection.start()
            _check_listener(address)
            answer = connection.send_command(f"{protocol.AUTH_COMMAND_NAME}\n{address.token}\n")
        except network_error as error:
            _close(connection)
            # A gateway that refuses the token closes the connection, which may overtake its answer.
            if _is_closed(error) and _listens(address):
                raise _refused(address) from None
            raise JvmUnreachableError(error.cause or error, late=False) from None
        except BaseException:
            _close(connection)
            raise
        if protocol.is_error(answer)[0]:
            _close(connection)
            raise _refused(address)
        return connection


def _check_listener(address: Address) -> None:
    """Check that no other user listens at the port of a JVM of ours.

    Raises:
        JvmUnreachableError: another user does.
    """
    if not address.life:
        return
    others = (listening_users(address.host, address.port) or frozenset()) - {0, os.geteuid()}
    if others:
        taken = f"user {min(others)} has taken port {address.port}"
        raise JvmUnreachableError(ConnectionRefusedError(taken), late=False)


def _refused(address: Address) -> JvmUnreachableError | BridgeError:
    if address.life:
        taken = f"another process has taken port {address.port}"
        return JvmUnreachableError(ConnectionRefusedError(taken), late=False)
    return BridgeError(
        f"The JVM at port {address.port} does not accept the token.",
        hint="TAMIAS_JVM_TOKEN has to be the token that the gateway was started with.",
    )


def _is_closed(error: BaseException | None) -> bool:
    """Whether the other side has closed the connection."""
    while error is not None and not isinstance(error, OSError):
        cause: BaseException | None = getattr(error, "cause", None)
        if cause is None:
            return True  # py4j: "Answer from Java side is empty"
        error = cause
    return isinstance(error, (ConnectionResetError, BrokenPipeError))


def _listens(address: Address) -> bool:
    try:
        socket.create_connection((address.host, address.port), CONNECT_SECONDS).close()
    except ConnectionResetError:
        return True
    except OSError:
        return False
    return True


def _close(connection: GatewayConnection) -> None:
    with suppress(Exception):
        connection.socket.close()
        connection.stream.close()


@cache
def _py4j() -> tuple[Any, Any]:
    """py4j's protocol and its error. Its log is disabled: it would log errors that we handle."""
    try:
        from py4j import java_gateway, protocol  # noqa: PLC0415 (an extra)
    except ImportError:
        raise MissingExtraError(
            "py4j is not installed.", hint="Install it with: pip install 'tamias[flink]'"
        ) from None
    logging.getLogger(java_gateway.__name__).setLevel(logging.CRITICAL)
    return protocol, protocol.Py4JNetworkError
