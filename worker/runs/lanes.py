"""The lanes of a worker: those of the keys that were used last, as many as there is room for.

Memory of keys is kept in the process, up to `short-term-memory.cache-max-bytes`. Beyond it lanes
are dropped that are idle and committed; the next input of their key opens them again, with one read
of the store. Which ones are dropped is decided by two generations: a lane that is used is in the
young one. If there is no room, the old one is dropped from its beginning, a few lanes at a time;
when nothing is left of it, the young one becomes old. A lane of the old one that is used again
becomes young. So finding a young lane, which nearly all inputs do whose keys fit, costs one look
into a dictionary, and nothing is to be kept in order for that.

The bytes are an estimate that is never too low: lanes are weighed when they are opened and when
they are dropped, and what runs write in between is added. So a value that is written again and
again counts each time, until all lanes are weighed anew, before lanes are dropped for that.
"""

from __future__ import annotations

from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Final

from ...store.encoding.keys import shard_of
from .lane import Lane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .group_commit import ShardWriter

_IN_USE_AT_ONCE: Final = 4096
"""How many lanes that cannot be dropped are passed over at once, when many runs wait."""
_BYTES_PER_LANE: Final = 16
"""Weighing all lanes is worth while when more than so much was written for each."""


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
        self._limit = limit
        self._old: dict[bytes, Lane] = {}
        self._order: deque[bytes] = deque()
        """The keys of the old lanes, and of some that are young again, by their age."""
        self._size = 0
        """What the lanes take, without what was written since they were weighed."""
        self._written = 0
        """How many bytes were written since all lanes were weighed."""

    def __missing__(self, key: bytes) -> Lane:
        lane = self._old.pop(key, None)
        if lane is None:
            writer = self._writers[shard_of(key, self._shards)]
            lane = Lane(key, writer)
            self._size += lane.weigh()
            if lane.is_hashed:
                writer.batch.name_key(lane.prefix, key)
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
        for lanes in (self, self._old):
            for key in [key for key, lane in lanes.items() if lane.writer is writer]:
                del lanes[key]
        self._weigh()

    def drop_idle(self, committed: int) -> None:
        """If there is no room, drop lanes whose changes are in groups below `committed`."""
        for writer in self._writers.values():
            self._written += writer.written
            writer.written = 0
        if self._size + self._written <= self._limit:
            return
        if self._written > max(self._limit // 16, _BYTES_PER_LANE * (len(self) + len(self._old))):
            self._weigh()
        in_use = self._drop_old(committed, 0)
        if self._size + self._written > self._limit and in_use < _IN_USE_AT_ONCE:
            self._old = dict(self)
            self._order = deque(self._old)
            self.clear()
            self._drop_old(committed, in_use)

    def _drop_old(self, committed: int, in_use: int) -> int:
        """Drop old lanes until there is room, or many were found that are in use."""
        while self._order and self._size + self._written > self._limit and in_use < _IN_USE_AT_ONCE:
            key = self._order.popleft()
            lane = self._old.pop(key, None)
            if lane is None:
                continue
            if lane.idle and lane.group < committed:
                self._size -= lane.weigh()
            else:
                in_use += 1
                self[key] = lane
        return in_use

    def _weigh(self) -> None:
        self._size = sum(lane.weigh() for lane in self.all())
        self._written = 0
