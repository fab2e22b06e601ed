"""Checks that the tables of what waits in a shard agree with each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..encoding.keys import key_prefix, shard_of
from ..records.offsets import RunKind, is_owned, kind_of
from .reading import WaitingCounts
from .records import OwnedHeader, OwnedRun

if TYPE_CHECKING:
    from .reading import WaitingView

__all__ = ["problem_in"]

_NUMBER: Final = 8
_DUE: Final = 16


def problem_in(view: WaitingView, number: int, shards: int) -> str:
    """Return what is wrong in shard `number` of so many; empty if nothing is.

    Records that cannot be decoded raise the errors of their decoders.
    """
    if not view.is_kept:
        return ""
    return (
        _in_owned(view, number, shards)
        or _in_due(view)
        or _in_queues(view)
        or _in_ends(view)
        or _in_counters(view)
    )


def _in_owned(view: WaitingView, shard: int, shards: int) -> str:
    last = b""
    for number, data in view.all_owned():
        run = OwnedRun.decode(data)
        header = OwnedHeader.decode(data)
        if not is_owned(number) or kind_of(number) != run.kind:
            return f"a run has the number {number}, which is not one of its kind"
        if run.key != last and shard_of(run.key, shards) != shard:
            return f"run {number} waits for a key of another shard"
        last = run.key
        by_clock = header.due and (header.begun or not header.ticket)
        if by_clock and not view.is_due_at(header.due, number):
            return f"run {number} is not announced when it is due"
        if header.ticket and view.queued_at(header.key, header.ticket) != number:
            return f"run {number} is not in the queue of its key"
    return ""


def _in_due(view: WaitingView) -> str:
    for stored, _ in view.all_due():
        number = int.from_bytes(stored[_NUMBER:], "big")
        if len(stored) != _DUE or not view.is_owned(number):
            return f"run {number} is due, and not there"
    return ""


def _in_queues(view: WaitingView) -> str:
    before = b""
    for stored, value in view.queue():
        number = int.from_bytes(value, "big")
        run = view.owned(number)
        if run is None:
            return f"run {number} is in a queue, and not there"
        prefix = key_prefix(run.key)
        if stored != prefix + run.ticket.to_bytes(_NUMBER, "big"):
            return f"run {number} is in a place of a queue that is not its own"
        if prefix != before and not run.begun and not view.is_due_at(run.ticket, number):
            return f"run {number} is the next of its key, and not due"
        before = prefix
    return ""


def _in_ends(view: WaitingView) -> str:
    for prefix, value in view.all_ends():
        number, key = int.from_bytes(value[:_NUMBER], "big"), value[_NUMBER:]
        if kind_of(number) != RunKind.END or key_prefix(key) != prefix:
            return f"the run {number} for the end of the input is of another key"
    return ""


def _in_counters(view: WaitingView) -> str:
    runs = inputs = timers = 0
    for _, data in view.all_owned():
        header = OwnedHeader.decode(data)
        if header.begun:
            runs += 1
        elif header.ticket or header.kind != RunKind.TIMER:
            inputs += 1
        else:
            timers += 1
    questions = sum(record.waits for _, record in view.questions())
    counted = view.counts()
    found = WaitingCounts(runs, inputs, timers, questions, counted.next)
    return "" if found == counted else f"its counters say {counted}, and it has {found}"
