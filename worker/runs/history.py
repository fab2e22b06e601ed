"""What is on record of a run, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ...agent.errors import UnserializableError
from ...agent.waiting.questions import is_token
from ...store.encoding.values import loads
from ...store.records.journal import ACTION, CALL, JournalEntry
from ..durable.call_log import BEGUN, CallRecord
from .effects import Effects

if TYPE_CHECKING:
    from collections.abc import Iterable

_QUESTION: Final = "ctx.wait_for"
"""The name by which the question of an action is on record."""
_QUESTION_BYTES: Final = _QUESTION.encode()


def described_entries(entries: Iterable[JournalEntry]) -> list[str]:
    """A line for each call and action of a run's records."""
    return [_described(entry) for entry in entries if entry.kind in (CALL, ACTION)]


def tokens_on_record(entries: Iterable[JournalEntry]) -> list[str]:
    """The questions that a run has asked, by its records, those of finished actions included."""
    tokens: list[str] = []
    for entry in entries:
        if entry.kind == CALL and _QUESTION_BYTES in entry.data:
            call = CallRecord.decode(entry.index, entry.data)
            token = _token(call) if call.name == _QUESTION and call.succeeded else None
            if token is not None:
                tokens.append(token)
    return tokens


def _token(call: CallRecord) -> str | None:
    """The token of a recorded question; None if it is the call of a function of the same name."""
    try:
        asked = loads(call.outcome)
    except UnserializableError:
        return None
    return asked[0] if isinstance(asked, tuple) and asked and is_token(asked[0]) else None


def generation_of(entry: JournalEntry) -> int:
    """The generation that made a record."""
    if entry.kind == CALL:
        return CallRecord.decode(entry.index, entry.data).generation
    return Effects.origin(entry.data)[1]


def _state(call: CallRecord) -> str:
    if call.kind == BEGUN:
        return "has begun"
    if call.kind:
        return f"raised, and is to be tried again (attempt {len(call.attempts) + 1})"
    return "returned" if call.succeeded else "raised"


def _described(entry: JournalEntry) -> str:
    if entry.kind == CALL:
        call = CallRecord.decode(entry.index, entry.data)
        what = f"call {call.number}: {call.name} {_state(call)}"
    else:
        what = f"action {Effects.origin(entry.data)[0]!r} ended"
    return f"step {entry.action}, {what} (generation {generation_of(entry)})"
