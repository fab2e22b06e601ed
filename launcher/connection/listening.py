"""Which transport an address needs, and the addresses of both.

The option `transport` decides on the address of a pool; the address tells launcher and workers.
"""

from __future__ import annotations

import os
from secrets import token_hex
from typing import TYPE_CHECKING

from ...worker.connection.launcher_connection import ZEROMQ
from .direct import DirectTransport

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack

    from .transport import WorkerTransport


def new_address(transport: str) -> str:
    """Return an address that no other pool has, for a transport as the option names it."""
    prefix = ZEROMQ if transport == "zeromq" else ""
    return f"{prefix}@tamias-{os.getpid()}-{token_hex(8)}"


def listen(address: str, stack: ExitStack, users: Iterable[int]) -> WorkerTransport:
    """Listen at `address` until `stack` is unwound.

    Only processes of `users` can connect: any user of the machine can reach the socket.
    """
    if not address.startswith(ZEROMQ):
        return DirectTransport(address, stack, users)
    from .zeromq import ZeroMQTransport  # noqa: PLC0415 (only where it is chosen)

    return ZeroMQTransport(address, stack, users)
