"""Finds a run in a state directory: its record, and what its key has in memory now.

The shards are only read. While no launcher uses the directory, they are read without an entry in
LMDB's table of readers, so no byte of them changes.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...agent.errors import UsageError
from ...store.encoding.keys import key_prefix, shard_of
from ...store.lmdb_env import has_data
from ...store.records.offsets import RunKind, kind_of, retry_number
from ...store.records.run_record import RunMaterial, RunRecord
from ...store.sets.transfer.sending import owner_records
from ...store.shard.live_fields import LiveFields
from ...store.state.directory import StateDirectory
from ...store.state.reader import ShardReader
from ...worker.recording.reading import recorded_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ...store.records.dead_letters import DeadLetter
    from ...store.sets.transfer.sending import Record
    from ...store.shard.snapshot import Snapshot
    from ...store.state.directory import StateView

__all__ = ["FoundRun", "find_run"]


@dataclass
class FoundRun:
    """A run that can be executed again.

    Attributes:
        record: the run.
        shards: how many shards the store has.
        shard: the one of its key.
        is_letter: whether it is a dead letter.
        cause: the dead letter's.
        memory: what the key has in memory now: encoded values by path.
        sets: the records of its memory sets now, as they travel between stores.
        is_running: whether a launcher uses the state directory.
    """

    record: RunRecord
    shards: int
    shard: int
    is_letter: bool
    cause: str
    memory: dict[str, bytes]
    sets: list[Record] = field(repr=False)
    is_running: bool


def find_run(state: Path, offset: int) -> FoundRun:
    """Find the run of an input: a dead letter, or the newest recorded one.

    Raises:
        UsageError: there is neither.
        StoreError: the directory cannot be read.
    """
    with StateDirectory.view(state, with_progress=False) as view:
        is_running = view.launcher_pid() is not None
        number, letter = _letter(view, offset, locked=is_running)
        if letter is not None:
            record = _record_of(letter)
        else:
            recorded = list(recorded_runs(view.layout.recordings, offset))
            if not recorded:
                raise UsageError(
                    f"Neither a dead letter nor a recorded run is of input {offset}.",
                    hint="tamias dead-letters list says which there are; with --record all (or a "
                    "key), run keeps others, too.",
                )
            record = max(recorded, key=lambda each: each.at)
            number = shard_of(record.key, view.manifest.shards)
        memory: dict[str, bytes] = {}
        sets: list[Record] = []
        with _snapshot(view, number, locked=is_running) as snapshot:
            if snapshot is not None:
                prefix = key_prefix(record.key)
                memory = dict(LiveFields(snapshot).scan(prefix))
                sets = snapshot.read(
                    lambda transaction, databases: (
                        list(owner_records(transaction, databases.sets, prefix, None))
                        if databases.sets is not None
                        else []
                    )
                )
        return FoundRun(
            record,
            view.manifest.shards,
            number,
            letter is not None,
            letter.cause if letter is not None else "",
            memory,
            sets,
            is_running,
        )


def _letter(view: StateView, offset: int, *, locked: bool) -> tuple[int, DeadLetter | None]:
    for number in range(view.manifest.shards):
        with _snapshot(view, number, locked=locked) as snapshot:
            letter = None if snapshot is None else snapshot.dead_letter(offset)
        if letter is None:
            continue
        if letter.cause == "bad-input":
            raise UsageError(
                f"Input {offset} could not be read, so no action was called with it.",
                hint="tamias dead-letters show has the record.",
            )
        return number, letter
    return 0, None


@contextmanager
def _snapshot(view: StateView, number: int, *, locked: bool) -> Iterator[Snapshot | None]:
    directory = view.layout.shard(number)
    if not has_data(directory):
        yield None
        return
    with ShardReader(directory, locked=locked) as reader, reader.snapshot() as snapshot:
        yield snapshot


def _record_of(letter: DeadLetter) -> RunRecord:
    number = letter.offset
    if kind_of(number) == RunKind.INPUT:
        number = retry_number(letter.offset, letter.retries)
    return RunRecord(
        number=number,
        key=letter.key,
        payload=letter.payload,
        codec=letter.codec,
        at=letter.at,
        generation=letter.generation,
        status="failed",
        error=letter.error,
        action=letter.action,
        origin=letter.origin,
        material=RunMaterial.from_json(number, letter.record),
    )
