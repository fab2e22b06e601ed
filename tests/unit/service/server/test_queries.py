"""What clients ask besides their submissions: nothing that they send does harm."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest

from tamias.agent.errors import AnswerError, PoolError
from tamias.launcher.control.commands import AnswerQuestion, Mailbox
from tamias.service.protocol.frames import Hello
from tamias.service.server.open_session import OpenSession, PendingQuery
from tamias.service.server.queries import MOST_PENDING, Queries
from tamias.service.server.request_log import ClientRecord, RequestLog
from tamias.store.encoding.keys import encode_key
from tamias.store.records.offsets import owned_number
from tamias.store.shard.batch import Batch
from tamias.store.shard.shard import Shard
from tamias.store.state.directory import StateDirectory
from tamias.store.state.layout import StateLayout
from tamias.store.waiting.records import QuestionRecord
from tamias.store.waiting.tokens import make_token

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOKEN = f"q{1000:011x}0000{0:032x}"


class Served:
    """The queries of one client of a service with one shard."""

    def __init__(self, folder: Path, request_log: RequestLog) -> None:
        self.woken = threading.Event()
        self.queries = Queries(folder / "state", request_log, self.woken.set)
        self.mailbox = Mailbox()
        self.number = 0

    def ask(self, body: bytes, owner: str = "") -> PendingQuery:
        self.number += 1
        hello = Hello(b"12345678", 7, 1, False, "c")
        session = OpenSession((0, b"peer"), hello, b"\0c", ClientRecord(1, 0, 0))
        query = PendingQuery(session, self.number, owner)
        self.queries.begin(query, body)
        return query

    def reply(self) -> dict[str, Any]:
        assert self.woken.wait(60)
        self.woken.clear()
        ((_, body),) = self.queries.replies()
        content: dict[str, Any] = json.loads(body)
        return content


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with StateDirectory.open(tmp_path / "state", "agent:A", 1, "none", {}):
        request_log = RequestLog.open(tmp_path / "log", sync=False)
        served = Served(tmp_path, request_log)
        yield served
        served.queries.close()
        served.mailbox.close()
        request_log.close()


def answer(**more: Any) -> bytes:
    return json.dumps({"do": "answer", "token": TOKEN, "value": 1, **more}).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"do":1}',
        b'{"do":"answer"}',
        b'{"do":"answer","token":[],"value":1}',
        answer(by=7),
        answer(by="x" * 201),
        b'{"do":"questions","after":7}',
        b'{"do":"questions","after":"\\ud800"}',
        b'{"do":"answer","token":"q","value":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
)
def test_malformed_queries_get_an_error(served: Served, body: bytes) -> None:
    served.queries.connect(served.mailbox.post)
    served.ask(body)
    for _, future in served.mailbox.receive():  # what only the pool finds wrong
        future.set_exception(AnswerError("no"))
    assert "error" in served.reply()


def test_an_answer_before_there_is_a_pool_goes_to_it_when_it_begins(served: Served) -> None:
    query = served.ask(answer(by="eve"))
    assert served.queries.replies() == []
    served.queries.connect(served.mailbox.post)
    ((command, future),) = served.mailbox.receive()
    assert command == AnswerQuestion(TOKEN, b"1", "json", "eve", query.name)
    future.set_result({"answered": True})
    assert served.reply() == {}


def test_an_answer_gets_no_reply_from_a_pool_that_ends(served: Served) -> None:
    served.queries.connect(served.mailbox.post)
    served.ask(answer())
    served.mailbox.receive()[0][1].set_exception(PoolError("it ends"))
    assert served.queries.replies() == []


@pytest.mark.parametrize(
    ("by", "recorded"),
    [(None, "bob"), ("bob", "bob"), ("eve", "eve (with the key bob)")],
)
def test_what_a_key_proves_is_part_of_who_has_answered(
    served: Served, by: str | None, recorded: str
) -> None:
    served.queries.connect(served.mailbox.post)
    served.ask(answer(by=by), "bob")
    ((command, _),) = served.mailbox.receive()
    assert isinstance(command, AnswerQuestion)
    assert command.by == recorded


def test_too_many_queries_at_a_time_are_refused(served: Served) -> None:
    for _ in range(MOST_PENDING):
        served.ask(answer())
    served.ask(answer())
    assert "Too many queries" in served.reply()["error"]["message"]


def test_many_questions_come_in_parts(served: Served, tmp_path: Path) -> None:
    batch = Batch()
    tokens = [make_token(0, n) for n in range(1200)]
    for n, token in enumerate(tokens):
        shown = b'{"token":"%b"}' % token.encode() if n % 2 else b""  # of an agent without JSON
        record = QuestionRecord(owned_number(n), encode_key("a"), "n", b"", n, as_json=shown)
        batch.changes_of_waiting().put_question(token, record.encode())
    shard = Shard.acquire(StateLayout(tmp_path / "state").shard(0), 0, "none")
    shard.commit(batch)
    shard.close()
    found: list[str] = []
    more = True
    while more:
        after = found[-1] if found else ""
        served.ask(json.dumps({"do": "questions", "after": after}).encode())
        reply = served.reply()
        found += [question["token"] for question in reply["questions"]]
        more = reply["more"]
    assert found == tokens[1::2]
