"""The moment of a run: by which it judges what of its key's memory has expired."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Protocol

from ...store import clock

if TYPE_CHECKING:
    from ...store.shard.field_ttl import FieldTtl

_RECORD: Final = struct.Struct(">QQ")
_NOT_BEGUN: Final = 0


class HasHorizon(Protocol):
    """A shard, as far as moments know it."""

    @property
    def horizon(self) -> int:
        """The moment up to which expired things are removed, in milliseconds."""


class RunMoment:
    """The moment of a lane's current run; it begins when it is first asked for.

    A run sees memory as of one moment, from its first action to its last. It is on record with the
    first record that the run has after that, so a replay sees the same: also days later.

    No run of a lane has an earlier moment than those before it: what one of them found expired does
    not come back with a clock that was set back.
    """

    __slots__ = ("_latest", "_now", "_shard", "_was_horizon")

    def __init__(self, shard: HasHorizon) -> None:
        self._shard = shard
        self._now = _NOT_BEGUN
        self._latest = 0
        self._was_horizon = 0

    def milliseconds(self) -> int:
        """The moment, in milliseconds since the epoch."""
        if self._now == _NOT_BEGUN:
            self._was_horizon = self._shard.horizon
            # A clock that was set back does not bring back what has been removed.
            self._now = max(clock.milliseconds(), self._was_horizon, self._latest)
        return self._now

    def for_fields(self, ttl: FieldTtl) -> int:
        """The moment by which fields have expired that the run does not see."""
        return ttl.seen_at(self.milliseconds(), self._was_horizon)

    def elapsed(self) -> int:
        """How many milliseconds have passed since; 0 if it has not begun."""
        return 0 if self._now == _NOT_BEGUN else max(0, clock.milliseconds() - self._now)

    def encode(self) -> bytes | None:
        """The moment as it is put on record; None if it has not begun."""
        return None if self._now == _NOT_BEGUN else _RECORD.pack(self._now, self._was_horizon)

    def restore(self, record: bytes) -> None:
        """Take the moment of a record."""
        self._now, self._was_horizon = _RECORD.unpack(record)

    def end(self) -> None:
        """End it with its run."""
        self._latest = max(self._latest, self._now)
        self._now = _NOT_BEGUN
