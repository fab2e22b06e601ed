"""Carries out what clients ask besides their submissions: list questions, answer one.

An answer goes to the pool, which replies when it is on record. If the pool ends before, there is no
reply: the client sends the query again to the next process of the service, under the same number,
and it counts once.

Questions are read from the store, in a thread of their own. They are shown as the JSON that the
worker has made, since nothing that users have made is unpickled here. A local client sees all
questions; one that comes with a key only those of inputs that were submitted with that key.
"""

from __future__ import annotations

import json
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import AnswerError, PoolError, ServiceError, TamiasError, UsageError
from ...agent.failures.error_json import error_to_json
from ...launcher.control.commands import AnswerQuestion
from ...store.encoding.codec import loads_json
from ...store.records.offsets import RunKind, kind_of, offset_of
from ...store.state.reader import StoreReader
from ...store.state.waiting import all_waiting
from ..protocol.frames import MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future
    from pathlib import Path

    from ...launcher.control.commands import Answer, Command
    from ...store.waiting.records import QuestionRecord
    from .open_session import PendingQuery
    from .request_log import RequestLog

MOST_QUESTIONS: Final = 500
"""Questions in one reply."""
_REPLY_BYTES: Final = 1 << 20
_LONGEST_NAME: Final = 200
MOST_PENDING: Final = 1000
"""Queries that are under way at a time; a client whose query is beyond that has to repeat it."""


class Queries:
    """The queries of a service's clients.

    Args:
        state: the state directory.
        request_log: of the service.
        wake: called, in any thread, when there are replies.
    """

    def __init__(self, state: Path, request_log: RequestLog, wake: Callable[[], None]) -> None:
        self._state = state
        self._request_log = request_log
        self._wake = wake
        self._readers = ThreadPoolExecutor(1, thread_name_prefix="tamias-questions")
        self._pending = 0
        self._replies: deque[tuple[PendingQuery, bytes | None, bool]] = deque()
        self._lock = Lock()
        self._post: Callable[[Command], Answer] | None = None
        self._early: list[tuple[PendingQuery, AnswerQuestion]] = []

    def connect(self, post: Callable[[Command], Answer]) -> None:
        """Send answers to the pool from now on: those that have come before, too."""
        with self._lock:
            self._post = post
            early, self._early = self._early, []
        for query, command in early:
            self._send(post, query, command)

    def begin(self, query: PendingQuery, body: bytes) -> None:
        """Carry out a query, whose reply will be in `replies`."""
        try:
            if self._pending >= MOST_PENDING:
                raise ServiceError("Too many queries are under way.", hint="Try again later.")
            content: dict[str, Any] = loads_json(body)
            if content.get("do") == "answer":
                command = _command(query, content)
            elif content.get("do") == "questions":
                after = content.get("after", "")
                if not isinstance(after, str):
                    raise UsageError("`after` is a token.")
                self._pending += 1
                self._readers.submit(self._list, query, after)
                return
            else:
                raise UsageError("This service does not know such a query.")
        except (TamiasError, RecursionError) as error:
            self._put(query, _failed(error), counted=False)
            return
        self._pending += 1
        with self._lock:
            post = self._post
            if post is None:
                self._early.append((query, command))
                return
        self._send(post, query, command)

    def replies(self) -> list[tuple[PendingQuery, bytes]]:
        """The replies since the last call."""
        replies = []
        while self._replies:
            query, body, counted = self._replies.popleft()
            self._pending -= counted
            if body is not None:
                replies.append((query, body))
        return replies

    def close(self) -> None:
        """Begin nothing more."""
        self._readers.shutdown(cancel_futures=True)

    def _send(
        self, post: Callable[[Command], Answer], query: PendingQuery, command: AnswerQuestion
    ) -> None:
        def finish(answered: Future[dict[str, Any]]) -> None:
            error = answered.exception()
            if isinstance(error, PoolError):  # see the module's text
                self._put(query, None)
            else:
                self._put(query, b"{}" if error is None else _failed(error))

        post(command).add_done_callback(finish)

    def _put(self, query: PendingQuery, body: bytes | None, *, counted: bool = True) -> None:
        self._replies.append((query, body, counted))
        self._wake()

    def _list(self, query: PendingQuery, after: str) -> None:
        try:
            found, more = self._questions(query.owner, after)
        except Exception as error:  # noqa: BLE001 (the client gets it)
            self._put(query, _failed(error))
            return
        body = b'{"questions":[%b],"more":%b}' % (b",".join(found), b"true" if more else b"false")
        self._put(query, body)

    def _questions(self, owner: str, after: str) -> tuple[list[bytes], bool]:
        """Return open questions behind a token, and whether there are more."""
        clients = self._request_log.clients_of(owner) if owner else None
        found: list[bytes] = []
        size = 0
        with (
            StoreReader(self._state) as reader,
            all_waiting(reader) as waiting,
            closing(waiting.questions(after)) as questions,
        ):
            for _, record in questions:
                if not record.as_json or not self._may_see(clients, record):
                    continue
                size += len(record.as_json)
                if found and (len(found) >= MOST_QUESTIONS or size > _REPLY_BYTES):
                    return found, True
                found.append(record.as_json)
        return found, False

    def _may_see(self, clients: frozenset[int] | None, record: QuestionRecord) -> bool:
        if clients is None:
            return True
        if kind_of(record.number) != RunKind.INPUT:
            return False
        call = self._request_log.call_of(offset_of(record.number))
        return call is not None and call[0] in clients


def _command(query: PendingQuery, content: dict[str, Any]) -> AnswerQuestion:
    """Return the command of an answer.

    Raises:
        AnswerError: it is malformed.
    """
    token, by = content.get("token"), content.get("by")
    if not isinstance(token, str) or "value" not in content:
        raise AnswerError("An answer has a token, and a value.")
    if by is not None and (not isinstance(by, str) or len(by) > _LONGEST_NAME):
        raise AnswerError(f"Who answers is a text of at most {_LONGEST_NAME} characters.")
    if query.owner:  # what the key proves
        by = query.owner if by in (None, query.owner) else f"{by} (with the key {query.owner})"
    value = json.dumps(content["value"]).encode()
    if len(value) > MAX_VALUE:
        raise AnswerError("The answer is too large.")
    return AnswerQuestion(token, value, "json", by, query.name)


def _failed(error: BaseException) -> bytes:
    return json.dumps({"error": error_to_json(error, with_traceback=False)}).encode()
