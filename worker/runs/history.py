"""What is on record of a run, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...store.records.journal import ACTION, CALL, JournalEntry
from ..durable.call_log import BEGUN, CallRecord
from .effects import Effects

if TYPE_CHECKING:
    from collections.abc import Iterable


def described_entries(entries: Iterable[JournalEntry]) -> list[str]:
    """A line for each call and action of a run's records."""
    return [_described(entry) for entry in entries if entry.kind in (CALL, ACTION)]


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
