"""A store for one run, in a folder of its own, which is deleted afterwards.

It has what the run needs: the memory of its key, memory sets, its journal and questions. So the
run commits as always, and nothing of that reaches the state directory that it comes from.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from ...store import clock
from ...store.encoding.keys import key_prefix
from ...store.records.journal import ACTION, CALL
from ...store.records.offsets import RunKind, kind_of
from ...store.sets.transfer.arriving import IncomingSets, index_some, write_records
from ...store.shard.batch import Batch
from ...store.shard.shard import Shard
from ...store.waiting.records import OwnedRun
from ...worker.durable.call_log import CallRecord

if TYPE_CHECKING:
    from pathlib import Path

    from ...store.records.journal import JournalEntry
    from .found_run import FoundRun

__all__ = ["memory_before", "open_scratch", "without_last_failures"]

_COMMIT_BYTES: Final = 8 << 20


def memory_before(found: FoundRun) -> dict[str, bytes]:
    """The memory with which the run is executed: as recorded, as far as it was."""
    recorded = found.record.material.memory
    if recorded is None:
        return found.memory
    return recorded if found.record.material.is_complete else {**found.memory, **recorded}


def open_scratch(
    folder: Path, found: FoundRun, *, all_actions: bool, repeats_failed: bool = False
) -> Shard:
    """Make a shard with all that a run needs, and open it for writing.

    Args:
        folder: the shard's folder, which does not exist.
        found: the run.
        all_actions: whether actions are called that have ended before the run failed; if not, what
            they have done is taken from the record.
        repeats_failed: whether calls that have made the run fail are not on record.
    """
    record = found.record
    shard = Shard.acquire(folder, found.shard, "none")
    try:
        batch = Batch()
        prefix = key_prefix(record.key)
        batch.put_fields(prefix, dict(memory_before(found)))
        kinds = (CALL,) if all_actions else (CALL, ACTION)
        journal = record.material.journal
        if repeats_failed:
            journal = without_last_failures(journal)
        batch.journal += [(entry.key, entry.data) for entry in journal if entry.kind in kinds]
        for token, question in record.material.questions.items():
            batch.changes_of_waiting().put_question(token, question)
        if kind_of(record.number) != RunKind.INPUT:
            batch.changes_of_waiting().put(record.number, _owned(found).encode())
        shard.commit(batch)
        if found.sets:
            _write_sets(shard, found)
    except BaseException:
        shard.close()
        raise
    return shard


def without_last_failures(journal: list[JournalEntry]) -> list[JournalEntry]:
    """A journal without the calls that have failed at its end, as before another attempt."""
    kept = list(journal)
    while kept and kept[-1].kind == CALL:
        call = CallRecord.decode(kept[-1].index, kept[-1].data)
        if call.succeeded or call.kind:
            break
        kept.pop()
    return kept


def _owned(found: FoundRun) -> OwnedRun:
    """The record of a run without an input."""
    record = found.record
    return OwnedRun(
        kind=RunKind(kind_of(record.number)),
        key=record.key,
        payload=record.payload,
        due=clock.now(),
        origin=record.origin,
    )


def _write_sets(shard: Shard, found: FoundRun) -> None:
    incoming = IncomingSets()
    records: dict[bytes, bytes] = {}
    for key, value in found.sets:
        records.update(incoming.records(key, value, 0, is_newest=True))
    incoming.finish()
    shard.write(partial(write_records, records))
    done: bytes | None = b""
    while done is not None:
        done = shard.write(partial(index_some, done, _COMMIT_BYTES))
