"""Questions of a worker's runs, and their answers.

A question is on record before anybody can see it, an answer before the run goes on with it. Until
the group that has a change is committed, the change is kept here, too, so that each read sees it.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, Protocol

from ...agent.errors import AnswerError, InputError
from ...agent.failures.error_json import error_to_json
from ...agent.waiting.questions import Answer, Question, is_token
from ...store.crashpoints import reach
from ...store.encoding.keys import decode_key
from ...store.encoding.values import dumps, loads
from ...store.waiting.answering import answered_record
from ...store.waiting.tokens import shard_of_token
from ..wire import ANSWERED, pack

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable, Mapping

    from ...store.shard.batch import Batch
    from ...store.shard.shard import Shard
    from ...store.waiting.records import QuestionRecord


_ANSWER_TO: Final = b"answer_to"
"""The field that an answer has, whatever the encoding."""


NO_ANSWERS: Final = frozenset((int, float, str, bytes, bool, list, tuple, type(None)))
"""Classes of most inputs that are no answers; only to be quick."""


class Writer(Protocol):
    """A shard, and its next commit."""

    shard: Shard
    batch: Batch


class Group(Protocol):
    """Commits what has joined it."""

    def join(self, writer: Any) -> None:
        """Make a shard's batch part of the next commit."""

    def when_committed(self, callback: Callable[[Any], None], argument: Any) -> None:
        """Call back when the next commit is done."""

    def schedule(self) -> None:
        """Commit soon."""


def answer_in(value: Any) -> Answer | None:
    """The answer that an input is; None if it is an ordinary input."""
    if isinstance(value, Answer):
        return value
    if isinstance(value, dict) and is_token(value.get("answer_to")):
        by = value.get("by")
        return Answer(value["answer_to"], value.get("value"), None if by is None else str(by))
    return None


def is_answer(payload: bytes, decode: Callable[[bytes], Any]) -> bool:
    """Whether an encoded input is an answer; most need not be decoded to know."""
    if _ANSWER_TO not in payload:
        return False
    try:
        return answer_in(decode(payload)) is not None
    except BaseException:  # noqa: BLE001 (it is decoded again where its failure is handled)
        return False


class Questions:
    """The questions in the shards of a worker."""

    def __init__(
        self, writers: Mapping[int, Writer], group: Group, send: Callable[[bytes], None]
    ) -> None:
        """`send` sends a message to the launcher."""
        self._writers = writers
        self._group = group
        self._send = send
        self._uncommitted: dict[str, QuestionRecord] = {}
        self.awaited: dict[str, Future[None]] = {}
        """By token, what runs that are executed now wait for."""

    def get(self, writer: Writer, token: str) -> QuestionRecord | None:
        """A question, as of the last change."""
        record = self._uncommitted.get(token)
        if record is not None:
            return record
        return writer.shard.read_waiting(lambda view: view.question(token))

    def is_committed(self, token: str) -> bool:
        """Whether the last change of a question is on record."""
        return token not in self._uncommitted

    def awaited_of(self, tokens: list[str] | None) -> list[str]:
        """Those of a run's questions that it waits for now."""
        return [token for token in tokens or () if token in self.awaited]

    def is_open(self, writer: Writer, token: str) -> bool:
        """Whether a question has no answer yet, and may have one."""
        record = self.get(writer, token)
        return record is not None and record.is_open

    def put(self, writer: Writer, token: str, record: QuestionRecord) -> None:
        """Add or replace a question in the next commit."""
        writer.batch.changes_of_waiting().put_question(token, record.encode())
        self._uncommitted[token] = record
        self._group.join(writer)
        self._group.when_committed(self._committed, (token, record))

    def close(self, writer: Writer, tokens: list[str]) -> None:
        """Close the questions of a run that ends, in the next commit."""
        for token in tokens:
            record = self.get(writer, token)
            if record is not None:
                self.put(writer, token, record.without_values())

    def _committed(self, change: tuple[str, QuestionRecord]) -> None:
        token, record = change
        if self._uncommitted.get(token) is record:
            del self._uncommitted[token]
        if record.answer is not None and not record.closed:
            self._resolve(token)

    def _resolve(self, token: str) -> None:
        future = self.awaited.pop(token, None)
        if future is not None and not future.done():
            future.set_result(None)

    def give(
        self,
        writer: Writer,
        answer: Answer,
        *,
        now: float,
        data: bytes | None = None,
        codec: str = "pickle",
        request: str = "",
        key: bytes | None = None,
    ) -> None:
        """Record an answer in the next commit, which also makes its run due.

        Args:
            writer: the shard with the question.
            answer: its value counts if `data` is None.
            now: seconds since the epoch.
            data: the encoded value.
            codec: how `data` is encoded.
            request: names the request, which may come again.
            key: the encoded key that the answer came with, which must be the question's.

        Raises:
            AnswerError: no such question waits.
            UnserializableError: the value cannot be pickled.
        """
        token = answer.answer_to
        before = self.get(writer, token)
        value = dumps(answer.value) if data is None else data
        after = answered_record(
            before, value, codec, by=answer.by, now=now, request=request, key=key
        )
        if after is None:  # the same request again
            return
        reach("answer.before")
        self.put(writer, token, after)
        writer.batch.changes_of_waiting().wake(after.number)

    def receive(self, body: dict[str, Any], now: float) -> None:
        """Record the answer of an ANSWER message; reply when it is committed, or refused."""
        number = body["id"]
        try:
            self.give(
                self._writer_of(body["token"]),
                Answer(body["token"], None, body.get("by")),
                now=now,
                data=base64.b64decode(body["value"]),
                codec=body["codec"],
                request=str(number),
            )
        except (AnswerError, InputError) as error:
            self._reply(number, error_to_json(error, with_traceback=False))
            return
        self._group.when_committed(lambda _: self._reply(number, None), None)
        self._group.schedule()

    def _writer_of(self, token: str) -> Writer:
        """The shard in which a question was asked. Raises AnswerError."""
        if not is_token(token):
            raise AnswerError(f"{token!r} is not the token of a question.")
        writer = self._writers.get(shard_of_token(token))
        if writer is None:
            raise AnswerError(f"No question with the token {token} waits here.")
        return writer

    def _reply(self, number: Any, error: dict[str, Any] | None) -> None:
        self._send(pack(ANSWERED, {"id": number, "error": error}))


def value_of(record: QuestionRecord) -> Any:
    """The value of an answer.

    Raises:
        UnserializableError: it cannot be unpickled here.
    """
    assert record.answer is not None  # noqa: S101 (asked for by those who know)
    return json.loads(record.answer) if record.codec == "json" else loads(record.answer)


def question_of(token: str, record: QuestionRecord) -> Question:
    """A question as users see it."""
    return Question(
        token=token,
        name=record.name,
        ask=loads(record.ask),
        key=decode_key(record.key),
        asked_at=record.asked_at,
        deadline=record.deadline,
    )
