"""`Clients`: the HTTP clients of one connection, made when they are needed.

An asynchronous client belongs to the event loop that it was made on, so there is one for each loop.
A client that was made before a fork would share its sockets with the parent, so a child makes its
own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Clients", "Opened", "OpenedSync"]

A = TypeVar("A")
S = TypeVar("S")


@dataclass(frozen=True)
class Opened(Generic[A]):
    """A client, and how it is closed."""

    client: A
    aclose: Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class OpenedSync(Generic[S]):
    """A client that blocks, and how it is closed."""

    client: S
    close: Callable[[], None]


class Clients(Generic[A, S]):
    """One client for each event loop, and one for all threads."""

    def __init__(
        self, open_async: Callable[[], Opened[A]], open_sync: Callable[[], OpenedSync[S]]
    ) -> None:
        self._open_async = open_async
        self._open_sync = open_sync
        self._process = os.getpid()
        self._by_loop: dict[asyncio.AbstractEventLoop, Opened[A]] = {}
        self._sync: OpenedSync[S] | None = None
        self._lock = Lock()

    def on_loop(self) -> A:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        found = self._by_loop.get(loop)
        if found is None or self._process != os.getpid():
            found = self._open_on(loop)
        return found.client

    def blocking(self) -> S:
        """The client that blocks; any thread may use it."""
        with self._lock:
            self._forget_those_of_the_parent()
            if self._sync is None:
                self._sync = self._open_sync()
            return self._sync.client

    def _open_on(self, loop: asyncio.AbstractEventLoop) -> Opened[A]:
        with self._lock:
            self._forget_those_of_the_parent()
            for other in [each for each in self._by_loop if each.is_closed()]:
                del self._by_loop[other]
            found = self._by_loop[loop] = self._open_async()
            return found

    def _forget_those_of_the_parent(self) -> None:
        if self._process != os.getpid():
            self._process = os.getpid()
            self._by_loop = {}
            self._sync = None

    def close(self) -> None:
        """Close the client that blocks. The others are closed by `aclose`, on their loop."""
        with self._lock:
            found, self._sync = self._sync, None
            if found is not None and self._process == os.getpid():
                found.close()

    async def aclose(self) -> None:
        """Close the client of the running loop, and the one that blocks."""
        self.close()
        if self._process == os.getpid():
            found = self._by_loop.pop(asyncio.get_running_loop(), None)
            if found is not None:
                await found.aclose()
