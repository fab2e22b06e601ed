"""The lanes of a worker: those of the keys that were used last, as many as there is room for.

Memory of keys is kept in the process, up to `short-term-memory.cache-max-bytes`. Beyond it lanes
are dropped that are idle and committed; the next input of their key opens them again, with one read
of the store. Which ones are dropped is decided by two generations: a lane that is used is in the
young one. If there is no room, the old one is dropped from its beginning, a few lanes at a time;
when nothing is left of it, the young one becomes old. A lane of the old one that is used again
becomes young. So finding a young lane, which nearly all inputs do whose keys fit, costs one look
into a dictionary, and nothing is to be kept in order for that.

Where few keys come back before their lanes are dropped, most of the room is of no use: it makes all
lanes slower, because what they have is not in the processor's cache. So then lanes get a small part
of it, and all of it now and then, to find out whether keys come back now (`Room`).

The bytes are an estimate that is not too low. Each lane has its weight, and their sum is kept: a
lane is weighed when it is opened, what runs add is added at each commit, and dropping subtracts. A
long value that replaces another only adds, so a lane that may be much lighter for that is weighed
anew when its turn to be dropped has come, and becomes young instead.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Final

from ...store.encoding.keys import HASHED, shard_of
from .lane import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .group_commit import ShardWriter

_IN_USE_AT_ONCE: Final = 4096
"""How many lanes that cannot be dropped are passed over at once, when many runs wait."""
_DROPPED_AT_ONCE: Final = 4096
"""How many lanes are dropped at once: that takes some milliseconds."""
_SMALL_ROOM: Final = 2 << 20
_SMALL_LANE: Final = 2048
"""Bytes of a lane that is opened about as fast as it is found outside of the processor's cache."""
_FEW: Final = 4
"""Few keys come back if so many times as many lanes are opened."""
_LEAST_OPENED: Final = 1024
"""How many lanes must have been opened to say so: or, of many lanes, an eighth."""
_NEVER: Final = 1 << 62
_LONGEST_SMALL: Final = 16
"""For at most so many times as many opened lanes as there were the room is small."""


class Room:
    """How many bytes lanes may take that are not in use.

    Attributes:
        bytes: how many it is now.
        opened: how many lanes have been opened.
        returned: how many of them were used again when they were old.
        judged_at: with how many opened ones it is found out whether keys come back.
    """

    __slots__ = (
        "_before",
        "_limit",
        "_small_for",
        "_whole_at",
        "bytes",
        "judged_at",
        "opened",
        "returned",
    )

    def __init__(self, limit: int) -> None:
        """`limit` is how many it is at most."""
        self._limit = limit
        self.bytes = limit
        self.opened = 0
        self.returned = 0
        self.judged_at = _NEVER
        self._before = (0, 0)
        """How many were opened and used again when what is to be found out began."""
        self._small_for = 1
        self._whole_at = 0
        """With how many opened lanes the room is whole again."""

    def begin_generation(self, lanes: int) -> None:
        """Take notice that `lanes` have become old."""
        if self.bytes < self._limit:
            if self.opened >= self._whole_at:
                self.bytes = self._limit
        elif self.judged_at == _NEVER and self._limit > _SMALL_ROOM:
            self.judged_at = self.opened + max(_LEAST_OPENED, lanes // 8)
            self._before = self.opened, self.returned

    def judge(self, size: int, lanes: int) -> None:
        """Find out whether keys come back; there are `lanes` of a `size` in all."""
        opened, returned = self.opened - self._before[0], self.returned - self._before[1]
        self.judged_at = _NEVER
        few_return = opened > _FEW * returned
        if few_return and size <= _SMALL_LANE * lanes:
            self.bytes = _SMALL_ROOM
            self._whole_at = self.opened + self._small_for * lanes
            self._small_for = min(2 * self._small_for, _LONGEST_SMALL)
        else:
            self._small_for = 1


class Lanes(dict[bytes, Lane]):
    """``lanes[key]`` is the lane of an encoded key, opened on demand.

    As a dictionary it has the young lanes alone: see `find` and `all`.
    """

    def __init__(self, writers: Mapping[int, ShardWriter], shards: int, limit: int) -> None:
        """`writers` are the worker's shards by number, of `shards` in all.

        `limit` is how many bytes lanes may take that are not in use.
        """
        super().__init__()
        self._writers = writers
        self._shards = shards
        self.room = Room(limit)
        self._old: dict[bytes, Lane] = {}
        self._order: deque[bytes] = deque()
        """The keys of the old lanes, and of some that are young again, by their age."""
        self._size = 0
        """The weight of all lanes, without what writers have to tell."""

    def __missing__(self, key: bytes) -> Lane:
        lane = self._old.pop(key, None)
        if lane is None:
            writer = self._writers[shard_of(key, self._shards)]
            lane = Lane(key, writer)
            self.room.opened += 1
            self._size += lane.weight
            if lane.prefix[0] == HASHED:
                writer.batch.name_key(lane.prefix, key)
        else:
            self.room.returned += 1
        self[key] = lane
        return lane

    def find(self, key: bytes) -> Lane | None:
        """The lane of a key; None if it is not open."""
        return self.get(key) or self._old.get(key)

    def all(self) -> Iterator[Lane]:
        """All lanes that are open."""
        return chain(self.values(), self._old.values())

    def drop_writer(self, writer: ShardWriter) -> None:
        """Drop all lanes of a shard that the worker releases."""
        self._count_growth(writer)
        for lanes in (self, self._old):
            for key in [key for key, lane in lanes.items() if lane.writer is writer]:
                lane = lanes.pop(key)
                self._size -= lane.weight
                lane.fields.store = None

    def drop_idle(self, committed: int) -> None:
        """If there is no room, drop lanes whose changes are in groups below `committed`."""
        for writer in self._writers.values():
            self._count_growth(writer)
        room = self.room
        if room.opened >= room.judged_at:
            room.judge(self._size, len(self) + len(self._old))
        if self._size <= room.bytes:
            return
        in_use = self._drop_old(committed, 0)
        for _ in range(2):  # the second time, lanes that were weighed anew
            if self._size <= room.bytes or self._order or in_use >= _IN_USE_AT_ONCE:
                return
            room.begin_generation(len(self))
            self._old = dict(self)
            self._order = deque(self._old)
            self.clear()
            in_use = self._drop_old(committed, in_use)

    def _count_growth(self, writer: ShardWriter) -> None:
        while writer.fetched:
            lane, record = writer.fetched.pop()
            lane.keep_record(record)
        self._size += writer.grown
        writer.grown = 0

    def _drop_old(self, committed: int, in_use: int) -> int:
        """Drop old lanes until there is room, or many were dropped, or are in use."""
        order, old, size, limit = self._order, self._old, self._size, self.room.bytes
        left = _DROPPED_AT_ONCE
        while order and size > limit and in_use < _IN_USE_AT_ONCE and left:
            key = order.popleft()
            lane = old.pop(key, None)
            if lane is None:
                continue
            if lane.run is not None or lane.queue or lane.group >= committed:
                in_use += 1
                self[key] = lane
            elif 4 * lane.added > lane.weight:  # it may be lighter by more than a quarter
                size += lane.weigh()
                self[key] = lane
            else:
                left -= 1
                size -= lane.weight
                lane.fields.store = None  # it may be the lane, which would not be freed at once
        self._size = size
        return in_use
