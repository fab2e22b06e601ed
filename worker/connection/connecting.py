"""Which connection an address needs; see `launcher_connection.py`."""

from __future__ import annotations

from typing import Final

from .direct import DirectConnection
from .launcher_connection import ZEROMQ, LauncherConnection

_ZEROMQ_MODULE: Final = "tamias.worker.connection.zeromq"


def modules_for(address: str) -> list[str]:
    """Return the modules, beside this one, that a connection to this address needs.

    Workers have them before the agent is imported, which may hide modules or replace functions.
    """
    return [_ZEROMQ_MODULE] if address.startswith(ZEROMQ) else []


def make_connection(address: str, launcher: int, identity: bytes) -> LauncherConnection:
    """Return a connection, not open yet, to the process `launcher`, which listens at `address`."""
    if not address.startswith(ZEROMQ):
        return DirectConnection(address, launcher, identity)
    from .zeromq import ZeroMQConnection  # noqa: PLC0415 (only where it is chosen)

    return ZeroMQConnection(address, launcher, identity)
