"""Waiting for what a pool waits for: its socket, its mailbox, and descriptors that come and go."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import zmq

if TYPE_CHECKING:
    from ..control.commands import Mailbox


class Poller:
    """Polls a socket, a mailbox and some more descriptors."""

    def __init__(self, socket: zmq.Socket[bytes], mailbox: Mailbox) -> None:
        self._poller = zmq.Poller()
        self._poller.register(socket, zmq.POLLIN)
        self._poller.register(mailbox, zmq.POLLIN)
        self._descriptors: list[int] = []

    def wait(self, seconds: float, descriptors: list[int]) -> None:
        """Wait until something can be read, one of `descriptors` included, or a signal arrives."""
        if descriptors != self._descriptors:
            self._replace(descriptors)
        with suppress(InterruptedError):
            self._poller.poll(max(0, int(seconds * 1000) + (seconds > 0)))

    def _replace(self, descriptors: list[int]) -> None:
        for descriptor in self._descriptors:
            with suppress(KeyError):
                self._poller.unregister(descriptor)
        self._descriptors = descriptors
        for descriptor in descriptors:
            self._poller.register(descriptor, zmq.POLLIN)
