"""What there is of one key: fields, memory sets, and what waits for it."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ....agent.errors import TamiasError
from ....store import clock
from ....store.encoding.keys import key_prefix, shard_of
from ....store.memory.opened_set import OpenedSet, SetPlace
from ....store.records.offsets import RunKind, identity_of, kind_of, offset_of
from ....store.shard.paging import FieldRecord, fields_from
from ....store.state.reader import nest
from ....store.state.waiting import waiting_in
from ....store.waiting.records import NEVER
from ....worker.runs.history import described_entries
from ...rendering.renderers import LARGEST
from ...rendering.trees import unreadable
from ..endpoints.tokens import ListPlace, key_in, key_row, key_text, place_in, token_of
from .sets import set_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....store.shard.snapshot import Snapshot
    from ....store.state.reader import StoreReader
    from ....store.waiting.records import OwnedRun, QuestionRecord
    from ..endpoints.replies import Asked
    from ..jobs import ShownJob

__all__ = ["key_memory", "question_row", "source_of"]

_MOST: Final = 2_000
_MOST_BYTES: Final = 32 << 20
_MOST_SETS: Final = 200
_MOST_WAITING: Final = 200
_MOST_LOOKED_AT: Final = 200_000
"""Runs and timers of a shard, to find those of a key."""
_MOST_RECORDS: Final = 500


class _Waiting(NamedTuple):
    """What waits for a key, as it is in the store."""

    runs: list[dict[str, Any]]
    timers: list[dict[str, Any]]
    questions: list[tuple[str, QuestionRecord]]
    journal: list[str]
    behind: int


def key_memory(job: ShownJob, asked: Asked) -> dict[str, Any]:
    """A key's short-term memory, so many fields behind a place; its sets, timers, runs, questions.

    What is read is shown after the snapshot has ended: that may take a while.
    """
    key = key_in(asked.path["token"])
    limit, place = max(1, asked.number("limit", 500, _MOST)), place_in(asked.text("after"))
    fields: list[FieldRecord] = []
    sets: list[dict[str, Any]] = []
    following: str | None = None
    waits = _Waiting([], [], [], [], 0)
    with job.reader() as reader:
        number = shard_of(key, reader.view.manifest.shards)
        with reader.shard(number) as snapshot:
            if snapshot is not None:
                fields, following = _fields(snapshot, key, place, limit)
                sets = list(islice(_sets(snapshot, key), _MOST_SETS))
                waits = _waiting(reader, number, snapshot, key)
    trees = job.trees()
    too_large = {field.path: field.size for field in fields if field.value is None}
    # Every record is decoded once, in the order of the tree.
    memory = nest(
        ((field.path, field.value if field.value is not None else _LARGE) for field in fields),
        lambda data: None if data is _LARGE else trees.stored(data),
    )
    _mark(memory, too_large)
    return {
        **key_row(key),
        "memory": memory,
        "more": following,
        "sizes": {field.path: field.size for field in fields},
        "sets": sets,
        "runs": waits.runs,
        "behind": waits.behind,
        "journal": waits.journal,
        "timers": waits.timers,
        "waiting": [question_row(token, record, trees) for token, record in waits.questions],
    }


_LARGE: Final = b"\x80 too large"


def _mark(memory: dict[str, Any], too_large: dict[str, int]) -> None:
    """Say of values that were not read that they are too large."""
    for path, size in too_large.items():
        *above, name = path.split(".")
        place = memory
        for part in above:
            place = place[part]
        place[name] = unreadable(f"it is too large to be shown ({size:,} bytes)")


def _fields(
    snapshot: Snapshot, key: bytes, place: ListPlace, limit: int
) -> tuple[list[FieldRecord], str | None]:
    prefix = key_prefix(key)
    found: list[FieldRecord] = []
    size = 0
    for field in fields_from(snapshot, prefix, place.address, largest=LARGEST):
        if len(found) >= limit or (found and size + field.size > _MOST_BYTES):
            return found, ListPlace(0, field.address).token()
        found.append(field)
        size += field.size if field.value is not None else 0
    return found, None


def _sets(snapshot: Snapshot, key: bytes) -> Iterator[dict[str, Any]]:
    for name in snapshot.sets(key_prefix(key)):
        yield set_row(SetPlace(name.name, key), OpenedSet([snapshot.set(name)]))


def _waiting(reader: StoreReader, number: int, snapshot: Snapshot, key: bytes) -> _Waiting:
    if not snapshot.waiting.counts():
        return _Waiting([], [], [], [], 0)
    found = waiting_in(reader, number, snapshot)
    runs: list[dict[str, Any]] = []
    journal: list[str] = []
    for run in islice(found.runs(key), _MOST_WAITING):
        runs.append(
            {
                **source_of(run.number, run.run),
                "until": None if run.run.due == NEVER else run.run.due,
                "answered": run.woken,
                "attempts": run.run.attempts,
                "errors": [error.error for error in run.run.errors],
            }
        )
        journal += _journal(snapshot, run.number)
    timers = [
        {"id": run.id or None, **source_of(owned, run), "due": run.due, "every": run.every or None}
        for owned, run in islice(found.timers(key), _MOST_WAITING)
    ]
    questions = (each for each in islice(found.questions(), _MOST_LOOKED_AT))
    own = [(token, record) for token, record in questions if record.key == key]
    return _Waiting(runs, timers, own, journal, max(0, found.queue_length(key) - len(runs)))


def _journal(snapshot: Snapshot, number: int) -> list[str]:
    try:
        return described_entries(snapshot.journal_of(identity_of(number))[:_MOST_RECORDS])
    except TamiasError as error:  # recorded by another version
        return [f"<not readable here: {error.message}>"]


def source_of(number: int, run: OwnedRun | None = None) -> dict[str, Any]:
    """What a run is of: an input, by its offset, or a timer or the end of the input."""
    kind = RunKind(kind_of(number))
    if kind == RunKind.INPUT:
        offset: int | None = offset_of(number)
    else:
        offset = None if run is None else run.origin
    return {"of": kind.name.lower(), "offset": None if offset is None else str(offset)}


def question_row(token: str, record: QuestionRecord, trees: Any) -> dict[str, Any]:
    """A question."""
    return {
        "token": token,
        "name": record.name,
        "key": key_text(record.key),
        "key_token": token_of(record.key),
        "ask": trees.stored(record.ask),
        "asked_at": record.asked_at,
        "deadline": record.deadline,
        "late": record.deadline is not None and record.deadline <= clock.now(),
        **source_of(record.number),
    }
