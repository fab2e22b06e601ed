"""Addresses at which metrics are served: a port, or a host and a port."""

from __future__ import annotations

import errno
import socket
from typing import Final

from ...agent.errors import UsageError

LOOPBACK: Final = "127.0.0.1"

_WHY: Final = {
    errno.EADDRINUSE: "another program uses it",
    errno.EACCES: "this user may not use it",
    errno.EADDRNOTAVAIL: "this machine does not have it",
}


def listen(address: str) -> socket.socket:
    """Return a socket that listens at an address.

    Args:
        address: `PORT`, which is on the loopback interface, or `HOST:PORT`; with port 0 the kernel
            chooses a free one.

    Raises:
        UsageError: it is no address, or cannot be had.
    """
    host, port = _parts(address)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"There is no address {address} for metrics: {error}.",
            hint="Give a port, or HOST:PORT.",
        ) from error
    family, kind, protocol, _, place = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
    except OSError as error:
        listener.close()
        why = _WHY.get(error.errno or 0, str(error.strerror or error))
        raise UsageError(
            f"Metrics cannot be served at {address}: {why}.",
            hint="Name another port; 0 is any that is free.",
        ) from error
    return listener


def url_of(listener: socket.socket) -> str:
    """Return where a listener's page is found."""
    host, port, *_ = listener.getsockname()
    return f"http://[{host}]:{port}/metrics" if ":" in host else f"http://{host}:{port}/metrics"


def _parts(address: str) -> tuple[str, int]:
    host, _, port = address.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        port = ""  # an IPv6 address without brackets
    if not (port.isascii() and port.isdigit() and int(port) < 1 << 16):
        raise UsageError(
            f"{address} is no address for metrics.",
            hint="Give a port, or HOST:PORT, as 9464 or 0.0.0.0:9464 or [::1]:9464.",
        )
    return host or LOOPBACK, int(port)
