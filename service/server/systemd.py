"""Notifies systemd of the service's state: one datagram to the socket that systemd names."""

from __future__ import annotations

import os
import socket
from contextlib import suppress


def notify(message: str) -> bool:
    """Send `READY=1` or `STOPPING=1`; return False if systemd does not ask for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(message.encode(), address)
        return True
    return False
