"""Turns functions into endpoints: they run in threads, a few at a time, and return what is JSON.

Nothing that a request does may hold the event loop, which the live charts of all browsers need. So
functions that read files run in threads. There are few of these, because each needs memory, and the
machine is there for the job; further requests wait, and if many wait, they are refused.
"""

from __future__ import annotations

import json
import os
import traceback
from typing import TYPE_CHECKING, Any, Final

import orjson
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from ....agent.errors import PoolError, StoreError, TamiasError, UsageError
from ....agent.failures.error_json import error_to_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from ..jobs import ShownJob

    Endpoint = Callable[[Request], Awaitable[Response]]

__all__ = ["Asked", "NotThereError", "RequestThreads", "number_in"]

_OPTIONS: Final = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


class NotThereError(UsageError):
    """What was asked for does not exist."""


class Asked:
    """What a request asks for.

    Attributes:
        path: the parts of the address that vary.
        query: its arguments.
        body: what is to be changed; empty if it only asks.
    """

    def __init__(self, path: dict[str, Any], query: dict[str, str], body: dict[str, Any]) -> None:
        self.path = path
        self.query = query
        self.body = body

    def limit(self, most: int) -> int:
        """How many rows are wanted: 50, unless it is said; 1 at least. Raises UsageError."""
        return max(1, self.number("limit", 50, most))

    def number(self, name: str, default: int, most: int) -> int:
        """A number from the query, 0 at least and `most` at most. Raises UsageError."""
        return number_in(self.query.get(name), name, default, most)

    def text(self, name: str) -> str | None:
        """A text from the query; None if it is not there, or empty."""
        return self.query.get(name) or None


class RequestThreads:
    """The threads in which requests are worked on.

    Args:
        threads: how many requests are worked on at the same time.
        waiting: how many may wait.
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._limiter = CapacityLimiter(threads)
        self._most = threads + waiting
        self._present = 0

    def endpoint(
        self, find: Callable[[str], ShownJob | None], work: Callable[[ShownJob, Asked], Any]
    ) -> Endpoint:
        """An endpoint of a job: `find` gives it by its id."""

        def of_job(asked: Asked) -> Any:
            job = find(str(asked.path.get("job")))
            if job is None:
                raise NotThereError(f"There is no job {asked.path.get('job')!r} here.")
            return work(job, asked)

        return self.plain_endpoint(of_job)

    def plain_endpoint(self, work: Callable[[Asked], Any]) -> Endpoint:
        """An endpoint that is of no job."""

        async def endpoint(request: Request) -> Response:
            if self._present >= self._most:
                return _failed(PoolError("Too many requests wait.", hint="Try again later."), 503)
            self._present += 1
            try:
                asked = await _asked(request)
                return await run_sync(_answered, work, asked, limiter=self._limiter)
            except ClientDisconnect:
                return Response(status_code=400)
            except TamiasError as error:
                return _failed(error)
            finally:
                self._present -= 1

        return endpoint


def number_in(text: Any, name: str, default: int, most: int) -> int:
    """A number that was given as text; `default` if it was not given.

    Raises:
        UsageError: it is none, or too large.
    """
    if text is None or text == "":
        return default
    try:
        found = int(text)
    except (TypeError, ValueError):
        found = -1
    if not 0 <= found <= most:
        raise UsageError(f"{str(text)[:40]!r} is no {name}: a number from 0 to {most}.")
    return found


async def _asked(request: Request) -> Asked:
    body: Any = {}
    if request.method == "POST":
        content = await request.body()
        try:
            body = json.loads(content) if content.strip() else {}
        except (ValueError, RecursionError):
            body = None
        if not isinstance(body, dict):
            raise UsageError("The body is not a JSON object.")
    return Asked(dict(request.path_params), dict(request.query_params), body)


def _answered(work: Callable[[Asked], Any], asked: Asked) -> Response:
    """What `work` returns, as an answer; made in the thread, because it may be large."""
    try:
        return json_response(work(asked))
    except TamiasError as error:
        return _failed(error)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        return _failed(StoreError(f"This cannot be read: {type(error).__name__}: {error}"))
    except Exception as error:  # noqa: BLE001 (the page shows it)
        if os.environ.get("TAMIAS_DEBUG"):
            traceback.print_exc()
        return _failed(
            TamiasError(
                f"{type(error).__name__}: {error}",
                hint="This is a mistake in tamias itself; with TAMIAS_DEBUG=1 in its environment "
                "the dashboard prints where.",
            ),
            500,
        )


def json_response(content: Any, status: int = 200) -> Response:
    """An answer of JSON."""
    return Response(as_json(content), status, media_type="application/json")


def as_json(content: Any) -> bytes:
    """JSON, also of texts with halves of surrogate pairs, which orjson refuses."""
    try:
        return orjson.dumps(content, option=_OPTIONS)
    except TypeError:
        return json.dumps(content, default=repr).encode()


def _failed(error: TamiasError, status: int | None = None) -> Response:
    body = {"error": error_to_json(error, with_traceback=False)}
    return json_response(body, _status_of(error) if status is None else status)


def _status_of(error: TamiasError) -> int:
    if isinstance(error, NotThereError):
        return 404
    if isinstance(error, UsageError):
        return 400
    return 409 if isinstance(error, PoolError) else 503
