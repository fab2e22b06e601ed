"""`tamias.AsyncClient`: the client of a service for asyncio programs; see `client` for the ideas.

    async with AsyncClient("state") as client:
        outputs = await (await client.submit("key", value))

The connection has a thread of its own, as with `Client`, so a busy event loop does not delay it,
and any event loop can be used.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from ...agent.errors import ServiceError, ServiceTimeoutError
from ...agent.naming.public import public
from .client import CLOSE_SECONDS, BaseClient, not_on_record, server_full
from .opening import steps
from .questions import answer_query, content_of, no_reply, questions_in, questions_query
from .submission import AsyncSubmission

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable
    from concurrent.futures import Future
    from pathlib import Path

    from typing_extensions import Self

    from ...agent.waiting.questions import Question


@public
class AsyncClient(BaseClient[AsyncSubmission]):
    """A client of a service, for one event loop. Arguments as for `Client`.

    Connect it with ``async with`` or `connect`.
    """

    _kind = AsyncSubmission

    def __init__(
        self,
        where: str | Path,
        *,
        client_id: str | None = None,
        keys: str | Path | None = None,
        repeat: bool = True,
        acknowledge: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        super().__init__(
            where, client_id=client_id, keys=keys, repeat=repeat, acknowledge=acknowledge
        )
        self._where = where
        self._timeout = timeout

    async def connect(self) -> Self:
        """Wait for the service. Raises as `Client` does."""
        try:
            await self._wait_until_open()
        except BaseException:
            self._connection.close()
            raise
        return self

    async def _wait_until_open(self) -> None:
        loop = asyncio.get_running_loop()
        opened = asyncio.wrap_future(self._connection.opened)
        try:
            for step in steps(self._where, self._timeout):
                try:
                    return await asyncio.wait_for(asyncio.shield(opened), step.seconds)
                except asyncio.TimeoutError:
                    error = await loop.run_in_executor(None, step.error)
                    if error is not None:
                        raise error from None
            return None
        finally:
            opened.cancel()  # or its exception would never be retrieved

    async def submit(
        self,
        key: object,
        value: object,
        *,
        sequence: int | None = None,
        timeout: float | None = None,
        stream: bool = False,
    ) -> AsyncSubmission:
        """Hand in an input as soon as the server has room; as `Client.submit`."""
        submission, encoded, data = self._begin(key, value, sequence, stream=stream)
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        try:
            while not self._connection.submit(submission.sequence, encoded, data, streamed=stream):
                left = None if until is None else max(0.0, until - loop.time())
                await _wait(self._connection.window_open(), left, server_full(timeout))
        except BaseException:
            self._forget(submission)
            raise
        return submission

    async def answer(
        self, token: str, value: object, *, by: str | None = None, timeout: float | None = None
    ) -> None:
        """Answer a question that a run has asked; as `Client.answer`."""
        await self._query(answer_query(token, value, by), timeout)

    async def questions(self, timeout: float | None = None) -> list[Question]:
        """Return the questions that wait for an answer; as `Client.questions`."""
        questions: list[Question] = []
        more = True
        while more:
            after = questions[-1].token if questions else ""
            content = await self._query(questions_query(after), timeout)
            questions += questions_in(content)
            more = content["more"]
        return questions

    async def _query(self, body: bytes, timeout: float | None) -> dict[str, Any]:
        reply = asyncio.wrap_future(self._connection.query(body))
        try:
            return content_of(await asyncio.wait_for(reply, timeout))
        except asyncio.TimeoutError:
            raise no_reply(timeout) from None

    async def submit_many(self, inputs: Iterable[tuple[object, object]]) -> list[AsyncSubmission]:
        """Hand in ``(key, value)`` pairs."""
        return [await self.submit(key, value) for key, value in inputs]

    async def stream(
        self, inputs: Iterable[tuple[object, object]] | AsyncIterable[tuple[object, object]]
    ) -> AsyncIterator[AsyncSubmission]:
        """Hand in ``(key, value)`` pairs as the server has room; yield them as they are done."""
        done: asyncio.Queue[AsyncSubmission | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()
        submitted = yielded = 0

        def put_done(submission: Any) -> None:
            loop.call_soon_threadsafe(done.put_nowait, submission)

        async def feed() -> None:
            nonlocal submitted
            try:
                if hasattr(inputs, "__aiter__"):
                    async for key, value in inputs:
                        (await self.submit(key, value)).add_done_callback(put_done)
                        submitted += 1
                else:
                    for key, value in inputs:
                        (await self.submit(key, value)).add_done_callback(put_done)
                        submitted += 1
            finally:
                done.put_nowait(None)

        feeder = asyncio.create_task(feed())
        try:
            while not feeder.done() or yielded < submitted:
                submission = await done.get()
                if submission is None:
                    await feeder
                else:
                    yielded += 1
                    yield submission
        finally:
            feeder.cancel()

    async def flush(self, timeout: float | None = None) -> None:
        """Wait until the server has recorded all that was handed in; as `Client.flush`."""
        await _wait(self._connection.all_recorded(), timeout, not_on_record(timeout))

    async def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """As `Client.close`."""
        try:
            await self.flush(timeout)
        except ServiceTimeoutError:
            raise
        except ServiceError:
            pass  # the connection has ended already
        finally:
            await asyncio.get_running_loop().run_in_executor(None, self._connection.close)

    async def __aenter__(self) -> Self:
        return await self.connect()

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None:
            await self.close()
        else:
            await asyncio.get_running_loop().run_in_executor(None, self._connection.close)


async def _wait(future: Future[None], timeout: float | None, error: ServiceTimeoutError) -> None:
    try:
        await asyncio.wait_for(asyncio.wrap_future(future), timeout)
    except asyncio.TimeoutError:
        raise error from None
