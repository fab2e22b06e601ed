"""Decides whether an answer counts; used by workers, and by commands while nothing runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ...agent.errors import AnswerError

if TYPE_CHECKING:
    from .records import QuestionRecord

__all__ = ["answered_record"]


def answered_record(
    question: QuestionRecord | None,
    answer: bytes,
    codec: str,
    *,
    by: str | None,
    now: float,
    request: str = "",
    key: bytes | None = None,
) -> QuestionRecord | None:
    """Return the question with its answer; None if this very request has answered it before.

    Args:
        question: None if there is none of the token.
        answer: the encoded value.
        codec: how it is encoded.
        by: who answers.
        now: seconds since the epoch.
        request: names the request; empty for one that cannot come again.
        key: the encoded key that the answer came with; None for none.

    Raises:
        AnswerError: the question does not wait (any more), or is of another key.
    """
    if question is None:
        raise AnswerError(
            "No question with this token waits: its run has ended, or the token is wrong.",
            hint="`tamias waiting` lists the questions that wait.",
        )
    if key is not None and key != question.key:
        raise AnswerError(
            "The question with this token was asked for another key.",
            hint="Give the answer the key of the question.",
        )
    if question.answer is not None:
        if request and request == question.request:
            return None
        by_whom = f" by {question.answered_by}" if question.answered_by else ""
        raise AnswerError(
            f"The question {question.name!r} was answered already{by_whom}"
            f" at {_time(question.answered_at)}; the first answer counts."
        )
    if question.closed:
        raise AnswerError(f"The run that asked {question.name!r} has ended without an answer.")
    if question.expired or (question.deadline is not None and now >= question.deadline):
        raise AnswerError(
            f"The answer comes too late: the question {question.name!r} could be answered until"
            f" {_time(question.deadline)}."
        )
    return question.answered(answer, codec, by, now, request)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "an unknown time"
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "seconds")
