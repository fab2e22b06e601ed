"""What a commit removes because it has expired: decided when the commit's group is sealed.

An unfinished run sees memory as of the moment when it began (`worker.memory.moment`), and so do its
replays. So nothing of a key is removed while a run of the key is unfinished:

- while a run of the key is executed here, or waits for its next attempt;
- while the key has a queue in the store: its run is suspended, or inputs wait behind it;
- while a run that an earlier process has begun has not begun again here. Which key that is of, is
  not on record, so nothing of the shard is removed until then. That is soon, for the launcher sends
  such inputs first.

What is not removed is passed over, and examined again some seconds later. Readers do not see it,
whatever is removed when.

All this is decided on the thread of the event loop: a run that begins later has a later moment, and
does not see what the commit removes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ...store import clock
from ...store.encoding.keys import prefix_of
from ...store.records.due_keys import FIELD, REMNANT, expiring_key
from ...store.sets.records import owner_of
from ...store.shard.expiring import DueEntry, Removal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .group_commit import ShardWriter
    from .lane import Lane

SWEPT_AT_ONCE: Final = 256
"""Fields that a commit lists at most, after the option was turned on."""

EXAMINED_AT_ONCE: Final = 256
_AGAIN: Final = 10_000
"""Milliseconds after which what was passed over is examined again."""


class _Passed(NamedTuple):
    """How far a shard's entries that are due were examined, since some were passed over."""

    key: bytes
    """The last one that was examined."""
    again: int
    """When to begin with the first one again, in milliseconds since the epoch."""


_NOTHING: Final = _Passed(b"", 0)


class ExecutingRun(Protocol):
    """Which lane a plain action is executed for, on the thread of the event loop."""

    def __call__(self) -> Lane | None:
        """The lane, or None."""


class Removals:
    """Has commits remove what has expired."""

    def __init__(
        self,
        find_lane: Callable[[bytes], Lane | None],
        executing: ExecutingRun,
        is_awaited: Callable[[ShardWriter], bool],
    ) -> None:
        """`find_lane` returns the lane of a key, if it is open.

        `is_awaited`: whether a run that an earlier process has begun is to begin again.
        """
        self._find_lane = find_lane
        self._executing = executing
        self._is_awaited = is_awaited
        self._passed: dict[ShardWriter, _Passed] = {}

    def prepare(self, writer: ShardWriter) -> None:
        """Have the next commit of a shard remove what is due, as far as that may be."""
        shard = writer.shard
        if shard.swept is not None:
            self._sweep(writer, shard.swept)
        now = max(clock.milliseconds(), shard.horizon)
        if shard.first_due is None or shard.first_due > now or self._is_awaited(writer):
            return
        limit = EXAMINED_AT_ONCE
        passed = self._passed.get(writer, _NOTHING)
        if passed.again <= now:
            passed = _NOTHING
            self._passed.pop(writer, None)
        entries = shard.read(lambda snapshot: snapshot.expiry.due(now, limit, passed.key))
        if not entries:
            return
        followed = self._free(writer, entries)
        if len(followed) < len(entries) or passed.key:
            again = passed.again if passed.key else now + _AGAIN
            self._passed[writer] = _Passed(entries[-1].key, again)
        writer.batch.removal = Removal(now, followed)

    def _free(self, writer: ShardWriter, entries: list[DueEntry]) -> list[DueEntry]:
        """Those of the entries that no unfinished run may see."""
        is_free: dict[bytes, bool] = {}
        free = []
        for entry in entries:
            if entry.kind != REMNANT:
                address = entry.address
                owner = prefix_of(address) if entry.kind == FIELD else owner_of(address)
                if owner not in is_free:
                    is_free[owner] = self._is_free(writer, owner)
                if not is_free[owner]:
                    continue
            free.append(entry)
        return free

    def _is_free(self, writer: ShardWriter, owner: bytes) -> bool:
        key = writer.shard.read(lambda snapshot: snapshot.key_of(owner)) if owner[0] else None
        if key is None:  # it is no key's
            return True
        lane = self._find_lane(key)
        if lane is not None and (lane.run is not None or self._executing() is lane):
            return False
        return not writer.may_have_queues or writer.shard.read_waiting(
            lambda view: view.first_in_queue(key) is None
        )

    def forget(self, writer: ShardWriter) -> None:
        """Drop what is known of a shard that the worker releases."""
        self._passed.pop(writer, None)

    @staticmethod
    def _sweep(writer: ShardWriter, swept: bytes) -> None:
        """List some of the fields that were there before the option was turned on."""
        ttl = writer.shard.field_ttl
        if ttl is None:
            writer.batch.swept = b""
            return
        found = writer.shard.read(
            lambda snapshot: snapshot.expiry.fields_behind(swept, SWEPT_AT_ONCE)
        )
        for address, record in found:
            writer.batch.expiring[expiring_key(ttl.due_of(record), FIELD, address)] = b""
        writer.batch.swept = found[-1][0] if found else b""
