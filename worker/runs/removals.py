"""What a commit removes because it has expired: decided when the commit's group is sealed.

An unfinished run sees memory as of the moment when it began (`worker.memory.moment`), and so do its
replays. So nothing of a key is removed while a run of the key is unfinished:

- while a run of the key is executed here, or waits for its next attempt;
- while the key has a queue in the store: its run is suspended, or inputs wait behind it;
- while a run that an earlier process has begun has not begun again here. Which key that is of, is
  not on record, so nothing of the shard is removed until then. That is soon, for the launcher sends
  such inputs first.

What is not removed is listed for a later moment. Readers do not see it, whatever is removed when.

All this is decided on the thread of the event loop: a run that begins later has a later moment, and
does not see what the commit removes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from ...store import clock
from ...store.encoding.keys import prefix_of
from ...store.records.due_keys import FIELD, expiring_key
from ...store.sets.records import owner_of
from ...store.shard.expiring import DueEntry, Removal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .group_commit import ShardWriter
    from .lane import Lane

SWEPT_AT_ONCE: Final = 256
"""Fields that a commit lists at most, after the option was turned on."""

_BUSY_AGAIN: Final = 10_000
"""Milliseconds after which what a run may still see is examined again."""
_SUSPENDED_AGAIN: Final = 300_000
"""The same for a key with a queue, which may stay for days."""
_NOW: Final = 0


class ExecutingRun(Protocol):
    """Which lane a plain action is executed for, on the thread of the event loop."""

    def __call__(self) -> Lane | None:
        """The lane, or None."""


class Removals:
    """Has commits remove what has expired."""

    def __init__(
        self,
        lanes: Mapping[bytes, Lane],
        executing: ExecutingRun,
        is_awaited: Callable[[ShardWriter], bool],
    ) -> None:
        """`is_awaited`: whether a run that an earlier process has begun is to begin again."""
        self._lanes = lanes
        self._executing = executing
        self._is_awaited = is_awaited

    def prepare(self, writer: ShardWriter) -> None:
        """Have the next commit of a shard remove what is due, as far as that may be."""
        shard = writer.shard
        if shard.swept is not None:
            self._sweep(writer, shard.swept)
        now = max(clock.milliseconds(), shard.horizon)
        if shard.first_due is None or shard.first_due > now or self._is_awaited(writer):
            return
        entries = shard.read(lambda snapshot: snapshot.expiry.due(now))
        pauses: dict[bytes, int] = {}
        followed = []
        for entry in entries:
            owner = prefix_of(entry.address) if entry.kind == FIELD else owner_of(entry.address)
            pause = pauses.get(owner)
            if pause is None:
                pause = pauses[owner] = self._pause(writer, owner)
            if pause == _NOW:
                followed.append(entry)
            else:
                later = DueEntry(now + pause, entry.kind, entry.address)
                writer.batch.expiring[entry.key] = None
                writer.batch.expiring[later.key] = b""
        writer.batch.removal = Removal(now, followed)

    def _pause(self, writer: ShardWriter, owner: bytes) -> int:
        """In how many milliseconds something of an owner may be removed."""
        key = writer.shard.read(lambda snapshot: snapshot.key_of(owner)) if owner[0] else None
        if key is None:  # it is no key's
            return _NOW
        lane = self._lanes.get(key)
        if lane is not None and (lane.run is not None or self._executing() is lane):
            return _BUSY_AGAIN
        if writer.may_have_queues and writer.shard.read_waiting(
            lambda view: view.first_in_queue(key) is not None
        ):
            return _SUSPENDED_AGAIN
        return _NOW

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
