"""What a client sends and gets about questions: queries in JSON, and their replies."""

from __future__ import annotations

from typing import Any

from ...agent.errors import (
    AnswerError,
    ServiceTimeoutError,
    TamiasError,
    UnserializableError,
    UsageError,
)
from ...agent.failures.error_json import error_from_json
from ...agent.waiting.questions import Question, is_token
from ...store.encoding.codec import loads_json
from ...store.encoding.json_text import dumps_json
from ...store.login_name import login_name
from ..protocol.frames import MAX_VALUE


def answer_query(token: str, value: object, by: str | None) -> bytes:
    """Return the query that gives an answer.

    Raises:
        AnswerError: the token is none.
        UnserializableError: the value has no JSON form.
        UsageError: it is too large.
    """
    if not is_token(token):
        raise AnswerError(f"{token!r} is not the token of a question.")
    who = login_name() if by is None else str(by)
    try:
        body = dumps_json({"do": "answer", "token": token, "value": value, "by": who})
    except UnserializableError as error:
        raise UnserializableError(f"This answer cannot be sent: {error}") from error
    if len(body) > MAX_VALUE:
        raise UsageError(
            f"This answer is too large: it has {len(body):,} bytes in JSON.",
            hint=f"At most {MAX_VALUE:,}: answer with a reference to it instead.",
        )
    return body


def questions_query(after: str) -> bytes:
    """Return the query for the questions behind a token."""
    return dumps_json({"do": "questions", "after": after})


def content_of(body: bytes) -> dict[str, Any]:
    """Return what came of a query.

    Raises:
        TamiasError: the error that the service has reported.
    """
    content: dict[str, Any] = loads_json(body)
    if "error" in content:
        raise error_from_json(content["error"], otherwise=TamiasError)
    return content


def questions_in(content: dict[str, Any]) -> list[Question]:
    """Return the questions in a reply."""
    return [
        Question(
            token=each["token"],
            name=each["name"],
            ask=each["ask"],
            key=each["key"],
            asked_at=each["asked_at"],
            deadline=each["deadline"],
        )
        for each in content["questions"]
    ]


def no_reply(timeout: float | None) -> ServiceTimeoutError:
    """The error for a service that does not reply."""
    return ServiceTimeoutError(
        f"The service has not replied for {timeout} s.",
        hint="An answer may be on record all the same; it counts once.",
    )
