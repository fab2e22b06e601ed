"""What goes to browsers without being asked for: the status of jobs, each second.

One task samples all jobs, in a thread. A browser has a place for one message, and gets the latest
when it has taken the one before. So one that takes nothing costs as much as one message.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ...agent.errors import TamiasError
from ...store.files import read_json
from ...store.state.layout import StateLayout
from .api.overview import status_of
from .endpoints.replies import as_json
from .history import History

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from .jobs import ShownJob, ShownJobs

__all__ = ["EventStream", "LiveFeed"]

_LOG: Final = logging.getLogger("tamias.dashboard")

EVERY: Final = 1.0
MOST_STREAMS: Final = 256
_PATIENCE: Final = 10.0
"""Seconds that a browser has to take a message."""
_QUIET: Final = 15.0
"""Seconds after which a comment shows that the connection is alive."""

_START: Final[list[tuple[bytes, bytes]]] = [
    (b"content-type", b"text/event-stream"),
    (b"x-accel-buffering", b"no"),
]


class LiveFeed:
    """Samples jobs, keeps their history, and hands on what is new.

    Attributes:
        history: by the id of the job.
        samples: how often all jobs were sampled.
    """

    def __init__(self, jobs: ShownJobs, every: float = EVERY) -> None:
        """`every`: seconds between two samples."""
        self._every = every
        self.history: dict[str, History] = {}
        self.samples = 0
        self._jobs = jobs
        self._places: dict[str, set[asyncio.Queue[bytes]]] = {}
        self._last: dict[str, bytes] = {}
        self._limiter: CapacityLimiter | None = None

    @property
    def streams(self) -> int:
        """How many browsers listen."""
        return sum(map(len, self._places.values()))

    async def run(self) -> None:
        """Sample until it is cancelled."""
        self._limiter = CapacityLimiter(1)
        while True:
            jobs = await self._in_thread(self._jobs.all)
            for job in jobs:
                try:
                    await self._sample(job)
                except Exception:  # noqa: BLE001 (the charts of all others go on)
                    _LOG.exception("job %s cannot be sampled", job.path)
            known = {job.id for job in jobs}
            self.history = {id_: past for id_, past in self.history.items() if id_ in known}
            self.samples += 1
            await asyncio.sleep(self._every)

    async def _in_thread(self, work: Any, *args: Any) -> Any:
        return await run_sync(work, *args, limiter=self._limiter)

    async def _sample(self, job: ShownJob) -> None:
        await self._in_thread(job.rest)
        places = self._places.get(job.id)
        if not places:
            self._last.pop(job.id, None)
            status = await self._in_thread(_brief_status, job)
            self._remember(job, status)
            return
        status, message = await self._in_thread(_message_of, job)
        self._remember(job, status)
        self._last[job.id] = message
        for place in places:
            _put(place, message)

    def _remember(self, job: ShownJob, status: dict[str, Any] | None) -> None:
        if status is not None:
            self.history.setdefault(job.id, History()).add(status)

    def subscribe(self, job: str) -> asyncio.Queue[bytes] | None:
        """A place for the messages of a job; None if too many listen already."""
        if self.streams >= MOST_STREAMS:
            return None
        place: asyncio.Queue[bytes] = asyncio.Queue(1)
        if job in self._last:
            place.put_nowait(self._last[job])
        self._places.setdefault(job, set()).add(place)
        return place

    def unsubscribe(self, job: str, place: asyncio.Queue[bytes]) -> None:
        """Give a place back."""
        self._places[job].discard(place)


def _put(place: asyncio.Queue[bytes], message: bytes) -> None:
    with suppress(asyncio.QueueEmpty):
        place.get_nowait()
    place.put_nowait(message)


def _brief_status(job: ShownJob) -> dict[str, Any] | None:
    """What the history needs of a job that nobody looks at; opens no shard."""
    try:
        if not job.is_there:
            return None
        running = job.is_running
        status = (read_json(StateLayout(job.path).status) or {}) if running else {}
    except (TamiasError, OSError, ValueError):
        return None
    return {**status, "running": running, "at": time.time()}


def _message_of(job: ShownJob) -> tuple[dict[str, Any] | None, bytes]:
    """A job's status, if it can be read, and the message about it."""
    try:
        status = status_of(job)
    except (TamiasError, OSError, ValueError, TypeError, KeyError) as error:
        return None, _event("gone", {"error": str(error)})
    return status, _event("status", status)


def _event(name: str, content: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + as_json(content) + b"\n\n"


class EventStream:
    """The answer to a browser that listens: messages, until it or the server goes."""

    def __init__(self, feed: LiveFeed, job: str, place: asyncio.Queue[bytes]) -> None:
        self._feed = feed
        self._job = job
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send messages."""
        del scope
        ended = asyncio.ensure_future(_disconnected(receive))
        try:
            await send({"type": "http.response.start", "status": 200, "headers": list(_START)})
            while not ended.done():
                # A browser that takes nothing is dropped: the server aborts its connection.
                await asyncio.wait_for(_send(send, await self._next(ended)), _PATIENCE)
        except (asyncio.TimeoutError, OSError):
            return
        finally:
            ended.cancel()
            self._feed.unsubscribe(self._job, self._place)

    async def _next(self, ended: asyncio.Future[None]) -> bytes:
        message = asyncio.ensure_future(self._place.get())
        either: set[asyncio.Future[Any]] = {message, ended}
        await asyncio.wait(either, timeout=_QUIET, return_when=asyncio.FIRST_COMPLETED)
        if message.done():
            return message.result()
        message.cancel()
        return b": alive\n\n"


async def _send(send: Send, message: bytes) -> None:
    await send({"type": "http.response.body", "body": message, "more_body": True})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
