"""What the calls of a submission write while they are under way, as the program reads it.

Parts may be lost, and calls may be made again. So each part has the identity of its call and its
attempt, and its number in the attempt: of each attempt a beginning without gaps is kept, and if a
later one begins, the program is told to drop what it has seen of the call.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import ServiceTimeoutError
from ...agent.naming.public import public

if TYPE_CHECKING:
    import asyncio

MOST_CHARACTERS: Final = 8 << 20
"""So much text at most is kept for one submission; what comes then is dropped."""


@public
@dataclass(frozen=True, slots=True)
class StreamPart:
    """A piece of what a call writes while it is under way.

    Attributes:
        call: which call of the submission, from 1, in the order in which they were first seen.
        attempt: which attempt of it, from 1.
        text: what was written.
        reasoning: what a model says of its thoughts.
        reset: whether this is the end of an earlier attempt: drop what you have of this call.
    """

    call: int
    attempt: int
    text: str = ""
    reasoning: str = ""
    reset: bool = False


class _Call:
    """A call that has been seen."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.identity = (0, 0)
        self.attempt = 0
        self.parts = 0
        self.is_cut = False


@public
class TextParts:
    """The parts of one submission, from the first one on: iterate over it, with or without asyncio.

    An iteration ends when the submission has its outcome, or the connection has ended.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._parts: list[StreamPart] = []
        self._calls: dict[tuple[int, int], _Call] = {}
        self._characters = 0
        self._ended = False
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    # -- the client ---------------------------------------------------------------------------

    def add(self, parts: list[list[Any]]) -> None:
        """Add parts as they were sent: step, call, epoch, attempt, number, text and reasoning."""
        with self._changed:
            for step, number, epoch, attempt, place, text, reasoning in parts:
                found = self._calls.get((step, number))
                if found is None:
                    found = self._calls[step, number] = _Call(len(self._calls) + 1)
                self._add(found, (epoch, attempt), place, text, reasoning)
            self._notify()

    def _add(
        self, call: _Call, identity: tuple[int, int], place: int, text: str, reasoning: str
    ) -> None:
        if identity < call.identity:
            return  # of an attempt that has ended
        if identity > call.identity:
            if call.attempt and call.parts:
                self._parts.append(StreamPart(call.number, call.attempt + 1, reset=True))
            call.identity = identity
            call.attempt += 1
            call.parts = 0
            call.is_cut = False
        self._characters += len(text) + len(reasoning)
        if place != call.parts + 1 or self._characters > MOST_CHARACTERS:
            call.is_cut = call.is_cut or place > call.parts
        if not call.is_cut and place == call.parts + 1:
            call.parts = place
            self._parts.append(StreamPart(call.number, call.attempt, text, reasoning))

    def end(self) -> None:
        """Note that there will be no more."""
        with self._changed:
            self._ended = True
            self._notify()

    def _notify(self) -> None:
        self._changed.notify_all()
        waiters, self._waiters = self._waiters, []
        for loop, future in waiters:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(_release, future)

    # -- the program --------------------------------------------------------------------------

    def __iter__(self) -> Iterator[StreamPart]:
        return self.each()

    def each(self, timeout: float | None = None) -> Iterator[StreamPart]:
        """Yield the parts as they come; `timeout`: the longest to wait for each, in seconds.

        Raises:
            ServiceTimeoutError: there was none in time; another iteration begins anew.
        """
        place = 0
        while True:
            with self._changed:
                come = self._changed.wait_for(partial(self._has_more, place), timeout)
                if not come:
                    raise ServiceTimeoutError(
                        f"Nothing has been written for {timeout} s.",
                        hint="The submission is still under way.",
                    )
                parts = self._parts[place:]
                if not parts:
                    return
            place += len(parts)
            yield from parts

    def _has_more(self, place: int) -> bool:
        return self._ended or len(self._parts) > place

    async def __aiter__(self) -> AsyncIterator[StreamPart]:
        from asyncio import get_running_loop  # noqa: PLC0415 (only where there is a loop)

        place = 0
        while True:
            waiter: asyncio.Future[None] | None = None
            with self._changed:
                parts = self._parts[place:]
                if not parts:
                    if self._ended:
                        return
                    loop = get_running_loop()
                    waiter = loop.create_future()
                    self._waiters.append((loop, waiter))
            if waiter is not None:
                await waiter
            for part in parts:
                place += 1
                yield part


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
