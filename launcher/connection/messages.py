"""Decodes and checks the messages of workers.

User code shares a process with the worker that sends them, so any bytes may arrive. What is not a
message that this worker may send now raises `BadMessageError`, before anything is done with it.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import StoreCorruptError
from ...store.records.offsets import LARGEST_OFFSET, RunKind, is_owned, kind_of, offset_of
from ...worker import wire
from ...worker.connection.frames import NoMessageError
from ..delivery.delivery import ShardRecord
from ..dispatch.item import Item
from ..dispatch.slot import Phase
from ..heartbeats.heartbeat import is_heartbeat
from ..heartbeats.shapes import (
    LARGEST,
    are_counts,
    is_count,
    is_moment,
    is_text,
    is_waiting,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..dispatch.dispatcher import Dispatcher
    from ..dispatch.slot import Slot
    from ..workers.registry import WorkerHandle
    from .transport import Received

__all__ = [
    "BadMessageError",
    "as_message",
    "check_admit",
    "check_announced",
    "due_items",
    "has_input",
    "may_announce",
    "records_of",
    "unpack",
    "unpack_records",
]


class BadMessageError(Exception):
    """A worker has sent what it cannot have sent; the text says what is wrong with it."""


def as_message(received: Received) -> bytes:
    """Return a message as it was received.

    Raises:
        BadMessageError: it is none.
    """
    if isinstance(received, NoMessageError):
        raise BadMessageError(str(received))
    return received


def unpack_records(message: bytes) -> list[ShardRecord]:
    """Return the outbox records of a DONE or FOUND message.

    Raises:
        BadMessageError: it is not such a message, or has no records.
    """
    try:
        records = [
            ShardRecord.decode(shard, sequence, data)
            for shard, sequence, data in wire.unpack_done(message)
        ]
    except (ValueError, OverflowError, MemoryError, struct.error, StoreCorruptError) as error:
        raise BadMessageError(f"an outbox record cannot be decoded ({error})") from error
    for record in records:
        _check_record(record)
    return records


def _check_record(record: ShardRecord) -> None:
    outputs = record.outputs
    offsets = outputs.offsets
    if not offsets or len(set(offsets)) != len(offsets):
        raise BadMessageError("an outbox record has no inputs, or one of them twice")
    if max(offsets) >= LARGEST or record.sequence >= LARGEST:
        raise BadMessageError("an outbox record has a number that is too large")
    if outputs.failed and not set(offsets).issuperset(outputs.failed):
        raise BadMessageError("an outbox record names a failed input that is not in it")
    if outputs.suspended and not set(offsets).issuperset(outputs.suspended):
        raise BadMessageError("an outbox record names a suspended input that is not in it")


def records_of(
    worker: WorkerHandle, message: bytes, dispatcher: Dispatcher, sequences: dict[int, int]
) -> list[ShardRecord]:
    """Return the records of a DONE message, for inputs that this worker has in flight.

    `sequences` has the last record of each shard, and is brought up to date. A worker that reports
    an input that it was not sent, another worker's shard, or a record out of sequence is not to be
    believed: that would change what is known of other inputs.
    """
    records = unpack_records(message)
    if not worker.ready:
        raise BadMessageError("it reported inputs before it was ready")
    for record in records:
        shard, sequence, _, outputs = record
        if not _may_report(_state_of(worker, dispatcher), shard, outputs.offsets, dispatcher):
            raise BadMessageError(f"it reported inputs of shard {shard} that it was not sent")
        if sequence != sequences.get(shard, 0) + 1:
            raise BadMessageError(
                f"it reported record {sequence} of shard {shard} after record "
                f"{sequences.get(shard, 0)}"
            )
        sequences[shard] = sequence
    return records


def check_announced(
    worker: WorkerHandle, records: list[ShardRecord], dispatcher: Dispatcher
) -> None:
    """Check the records of a FOUND message: of shards that this worker acquires now, in order.

    Inputs that were not read yet are in no shard that is known here. The shards of the others are
    listed once for all messages of an announcement, which come while the successor's inputs wait.
    """
    if worker.shard_of_known is None:
        worker.shard_of_known = {item.offset: item.shard for item in dispatcher.known()}
    known = worker.shard_of_known
    for shard, sequence, _, outputs in records:
        if not may_announce(worker, shard, dispatcher):
            raise BadMessageError(f"it announced records of shard {shard}, which it has not")
        if sequence <= worker.found_sequences.get(shard, 0):
            raise BadMessageError(f"it announced records of shard {shard} out of order")
        worker.found_sequences[shard] = sequence
        if any(known.get(offset, shard) != shard for offset in outputs.offsets):
            raise BadMessageError(f"it announced inputs of other shards as those of {shard}")


def due_items(worker: WorkerHandle, message: bytes, dispatcher: Dispatcher) -> list[Item]:
    """Return the owned runs of a DUE message, of shards that this worker has.

    Raises:
        BadMessageError: it is not such a message, or names runs that cannot be this worker's.
    """
    try:
        numbers, keys = wire.unpack_due(message)
    except (ValueError, OverflowError, MemoryError, struct.error) as error:
        raise BadMessageError(f"a list of due runs cannot be decoded ({error})") from error
    state = _state_of(worker, dispatcher)
    if state is None or not worker.ready:
        raise BadMessageError("it announced due runs before it was ready")
    if not numbers or len(numbers) != len(keys) or len(set(numbers)) != len(numbers):
        raise BadMessageError("a list of due runs is empty, or has one of them twice")
    if len(numbers) > wire.MOST_DUE:
        raise BadMessageError(f"it announced {len(numbers)} due runs at once")
    items = []
    known = dispatcher.owned.known
    has = {
        shard: _has_shard(state, shard, dispatcher) for shard in range(dispatcher.placement.shards)
    }
    for number, key in zip(numbers, keys, strict=True):
        shard = dispatcher.placement.shard_of[key]
        if number >= LARGEST or not is_owned(number) or kind_of(number) == RunKind.NOTICE:
            raise BadMessageError(f"it announced {number} as the number of a due run")
        if not has[shard] or (number in known and known[number].shard != shard):
            raise BadMessageError(f"it announced a due run of shard {shard}, which it has not")
        items.append(Item(number, key, b"", shard))
    if state.owned + len(numbers) > 2 * wire.MOST_DUE:
        raise BadMessageError("it announced too many due runs")
    return items


def check_admit(worker: WorkerHandle, body: dict[str, Any], dispatcher: Dispatcher) -> None:
    """Check that calls with limits, and their use, are of shards that this worker has.

    Raises:
        BadMessageError: they are not.
    """
    state = _state_of(worker, dispatcher)
    if state is None or not worker.ready:
        raise BadMessageError("it asked for permits before it was ready")
    numbers = {*map(int, body["usage"]), *(ask[1] for ask in body["asks"])}
    shards = dispatcher.placement.shards
    if not all(number < shards and _has_shard(state, number, dispatcher) for number in numbers):
        raise BadMessageError("it asked for permits for a shard that it has not")
    for number, *_ in body["asks"]:
        if number <= worker.asked:
            raise BadMessageError("it asked for permits out of order")
        worker.asked = number


def _has_shard(state: Slot, shard: int, dispatcher: Dispatcher) -> bool:
    """Whether a slot's worker has a shard, although that may be about to leave it."""
    return dispatcher.placement.owner(shard) is state or dispatcher.moves.is_leaving(state, shard)


def may_announce(worker: WorkerHandle, shard: int, dispatcher: Dispatcher) -> bool:
    """Whether a worker acquires this shard now: at its start, or as a move has asked."""
    state = _state_of(worker, dispatcher)
    if state is None:
        return False
    if state.phase in (Phase.ASKED, Phase.STARTING):
        return shard in worker.assignment.shards
    return dispatcher.moves.is_taking(state, shard)


def has_input(worker: WorkerHandle, offset: int, dispatcher: Dispatcher) -> bool:
    """Whether a worker has the input at this position, or a retry of it."""
    state = _state_of(worker, dispatcher)
    return state is not None and any(offset_of(number) == offset for number in state.flight)


def _state_of(worker: WorkerHandle, dispatcher: Dispatcher) -> Slot | None:
    """The state of a worker's slot; None if the slot has another worker by now."""
    slot, incarnation = worker.place
    state = dispatcher.slot_state(slot)
    return state if state.incarnation == incarnation else None


def _may_report(state: Slot | None, shard: int, offsets: list[int], dispatcher: Dispatcher) -> bool:
    """Whether a slot's worker has all these inputs, and they are of this shard.

    Notices are sent by no launcher; for them the shard must be the worker's.
    """
    if state is None:
        return False
    if max(offsets) > LARGEST_OFFSET:
        sent = [number for number in offsets if kind_of(number) != RunKind.NOTICE]
        if len(sent) < len(offsets) and not _has_shard(state, shard, dispatcher):
            return False
        offsets = sent
    flight = state.flight
    for offset in offsets:
        item = flight.get(offset)
        if item is None or item.shard != shard:
            return False
    return True


# -- small messages -------------------------------------------------------------------------------


def unpack(message: bytes) -> dict[str, Any]:
    """Return the body of a small message, checked for what its kind must have.

    Raises:
        BadMessageError: it is not one.
    """
    check = _CHECKS.get(message[:1])
    if check is None:
        raise BadMessageError(f"there is no message of the kind {message[:1]!r}")
    try:
        body = json.loads(message[1:])
    except (ValueError, RecursionError) as error:
        raise BadMessageError(f"its message is not JSON ({error})") from error
    if not isinstance(body, dict) or not check(body):
        raise BadMessageError(f"a message of the kind {message[:1]!r} has another form")
    return body


def _check_at_rest(body: dict[str, Any]) -> bool:
    shards = body.get("shards")
    return (
        is_count(body.get("round"))
        and isinstance(shards, dict)
        and all(shard.isascii() and shard.isdecimal() for shard in shards)
        and all(map(is_waiting, shards.values()))
    )


def _check_answered(body: dict[str, Any]) -> bool:
    error = body.get("error")
    is_error = isinstance(error, dict) and _check_fatal(error)
    return is_text(body.get("id")) and (error is None or is_error)


def _check_streamed(body: dict[str, Any]) -> bool:
    parts = body.get("parts")
    return isinstance(parts, list) and all(map(_is_part, parts))


def _is_part(value: object) -> bool:
    match value:
        case [offset, step, call, epoch, attempt, number, text, reasoning]:
            counts = (offset, step, call + 1 if type(call) is int else None, epoch, attempt, number)
            return all(map(is_count, counts)) and is_text(text) and is_text(reasoning)
    return False


def _check_ready(body: dict[str, Any]) -> bool:
    texts = all(map(is_text, body.get("actions", ())))
    return texts and isinstance(body.get("shards"), list) and _is_state(body)


def _check_shard(body: dict[str, Any]) -> bool:
    return is_count(body.get("shard")) and _is_state(body)


def _is_state(body: dict[str, Any]) -> bool:
    """Whether a message has what a worker says of the shards that it has got."""
    sequences = body.get("sequences", {})
    return are_counts(sequences) and _are_uses(body.get("usage", {}))


def _are_uses(value: object) -> bool:
    """Whether a value has by shard and limit what calls have used."""
    return isinstance(value, dict) and all(
        shard.isascii()
        and shard.isdecimal()
        and isinstance(uses, dict)
        and all(map(_is_use, uses.values()))
        for shard, uses in value.items()
    )


def _is_use(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(is_count, value))


def _check_admit(body: dict[str, Any]) -> bool:
    asks, ends = body.get("asks"), body.get("ends")
    return (
        isinstance(asks, list)
        and isinstance(ends, list)
        and all(map(_is_ask, asks))
        and all(map(_is_end, ends))
        and _are_uses(body.get("usage"))
    )


def _is_ask(value: object) -> bool:
    match value:
        case [number, shard, since, key, [*routes]]:
            return (
                is_count(number)
                and is_count(shard)
                and since is not None
                and is_moment(since)
                and is_text(key)
                and bool(routes)
                and all(map(_is_route, routes))
            )
    return False


def _is_route(value: object) -> bool:
    match value:
        case [number, limit, tokens, money]:
            return all(map(is_count, (number, tokens, money))) and is_text(limit)
    return False


def _is_end(value: object) -> bool:
    match value:
        case [number, outcome, retry_after, tokens, money]:
            return (
                all(map(is_count, (number, tokens, money)))
                and is_text(outcome)
                and is_moment(retry_after)
            )
    return False


def _check_failed(body: dict[str, Any]) -> bool:
    return (
        is_count(body.get("offset"))
        and "action" in body
        and "key" in body
        and is_text(body.get("error"))
        and is_text(body.get("traceback"))
    )


def _check_fatal(body: dict[str, Any]) -> bool:
    return all(is_text(body.get(name)) for name in ("type", "message", "hint"))


_CHECKS: Final[dict[bytes, Callable[[dict[str, Any]], bool]]] = {
    wire.METRICS: is_heartbeat,
    wire.READY: _check_ready,
    wire.RELEASED: _check_shard,
    wire.TAKEN: _check_shard,
    wire.FAILED: _check_failed,
    wire.FATAL: _check_fatal,
    wire.HALTED: lambda _: True,
    wire.AT_REST: _check_at_rest,
    wire.ANSWERED: _check_answered,
    wire.ADMIT: _check_admit,
    wire.STREAMED: _check_streamed,
}
