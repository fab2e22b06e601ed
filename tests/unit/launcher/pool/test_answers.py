"""Answers reach the worker that has the question, whichever that is by then, and get one reply."""

from __future__ import annotations

import base64
import json
from concurrent.futures import Future
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher.listening import Launcher
from tamias.agent.errors import AnswerError, PoolError, UsageError
from tamias.agent.failures.error_json import error_to_json
from tamias.launcher.control.commands import AnswerQuestion
from tamias.launcher.control.requests import command_of
from tamias.launcher.pool.answers import Answers
from tamias.store.waiting.tokens import make_token
from tamias.worker import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with ExitStack() as stack:
        yield Launcher(tmp_path, stack)


@pytest.fixture
def answers(launcher: Launcher) -> Answers:
    answers = Answers(launcher.dispatcher.placement, launcher.registry, launcher.transport)
    launcher.inbox.on_answered = answers.finish
    launcher.inbox.on_acquired = answers.resend
    return answers


def begin(answers: Answers, shard: int) -> Future[dict[str, Any]]:
    reply: Future[dict[str, Any]] = Future()
    answers.begin(AnswerQuestion(make_token(shard, 1.0), b'"yes"', "json", "Ann"), reply)
    return reply


def test_an_answer_goes_to_the_shard_of_its_question(launcher: Launcher, answers: Answers) -> None:
    reply = begin(answers, 1)
    request = wire.unpack(launcher.received(1))
    assert base64.b64decode(request["value"]) == b'"yes"'
    assert (request["codec"], request["by"]) == ("json", "Ann")
    assert not reply.done()
    launcher.hear(1, wire.pack(wire.ANSWERED, {"id": request["id"], "error": None}))
    assert reply.result(0) == {"answered": True}
    launcher.hear(1, wire.pack(wire.ANSWERED, {"id": request["id"], "error": None}))
    assert not launcher.worker(1).is_rejected


def test_a_refusal_is_an_error(launcher: Launcher, answers: Answers) -> None:
    reply = begin(answers, 0)
    request = wire.unpack(launcher.received(0))
    error = error_to_json(AnswerError("It was answered before.", hint="Look."))
    launcher.hear(0, wire.pack(wire.ANSWERED, {"id": request["id"], "error": error}))
    with pytest.raises(AnswerError, match="answered before"):
        reply.result(0)


def test_the_next_owner_gets_the_same_request(launcher: Launcher, answers: Answers) -> None:
    first = begin(answers, 0)
    request = launcher.received(0)
    launcher.move(0, 1)  # before the reply
    second = begin(answers, 0)  # while no worker has the shard
    launcher.hear(1, wire.pack(wire.TAKEN, {"shard": 0}))
    again, last = launcher.connections[1].receive()
    assert again == request
    assert last[:1] == wire.ANSWER
    for message in (request, last):
        launcher.hear(
            1, wire.pack(wire.ANSWERED, {"id": wire.unpack(message)["id"], "error": None})
        )
    assert first.result(0) == second.result(0) == {"answered": True}


def test_answers_without_a_reply_fail_at_the_end(launcher: Launcher, answers: Answers) -> None:
    del launcher
    reply = begin(answers, 0)
    answers.close()
    with pytest.raises(PoolError, match="has ended"):
        reply.result(0)


OTHER_SHARD = "q" + f"{1000:011x}" + "0002" + 32 * "0"
NO_HEX = "q" + f"{1000:011x}" + "0000" + 31 * "0" + "x"


@pytest.mark.parametrize("token", ["", "q", OTHER_SHARD, NO_HEX])
def test_what_is_no_token_of_this_job_is_refused_at_once(answers: Answers, token: str) -> None:
    with pytest.raises(AnswerError, match="not the token"):
        answers.begin(AnswerQuestion(token, b"1"), Future())


def test_a_request_for_an_answer() -> None:
    command = command_of("answer", {"token": "q1", "value": {"ok": [1]}, "by": "Ann"})
    assert isinstance(command, AnswerQuestion)
    assert json.loads(command.value) == {"ok": [1]}
    assert (command.token, command.codec, command.by) == ("q1", "json", "Ann")


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"token": "q1"},
        {"value": 1},
        {"token": 1, "value": 1},
        {"token": "q1", "value": 1, "by": 5},
        {"token": "q1", "value": 1, "more": 5},
    ],
)
def test_a_wrong_request_for_an_answer(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="An answer takes no"):
        command_of("answer", arguments)
