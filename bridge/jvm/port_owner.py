"""Which users listen at a TCP port of this machine, as the kernel knows it.

Any user may bind the port of a JVM that has died. So who connects to it looks here before it sends
its token. Only a listener is looked at: a connection that nobody has accepted yet has no owner.

The form of the tables is described in proc_net_tcp.rst of the kernel's documentation.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Final

__all__ = ["listening_users"]

_TABLES: Final = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTENING: Final = "0A"


def listening_users(host: str, port: int) -> frozenset[int] | None:
    """Return the users that listen at a port; none if nobody does.

    Returns:
        None if the kernel cannot tell: the host is not loopback, or there is no ``/proc``.
    """
    if not _is_loopback(host):
        return None
    users: set[int] = set()
    readable = False
    for table in _TABLES:
        try:
            lines = table.read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        readable = True
        for line in lines:
            _, local, _, state, _, _, _, user, *_ = line.split()
            if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                users.add(int(user))
    return frozenset(users) if readable else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
