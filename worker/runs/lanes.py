"""The lanes of a worker: those of the keys that were used last, as many as there is room for.

Memory of keys is kept in the process, up to `short-term-memory.cache-max-bytes`. Beyond it lanes
are dropped that are idle and committed; the next input of their key opens them again, with one read
of the store. Which ones are dropped is decided by two generations: a lane that is used is in the
young one. If there is no room, the old one is dropped from its beginning, a few lanes at a time;
when nothing is left of it, the young one becomes old. A lane of the old one that is used again
becomes young. So finding a young lane, which nearly all inputs do whose keys fit, costs one look
into a dictionary, and nothing is to be kept in order for that.

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
        """The weight of all lanes, without what writers have to tell."""

    def __missing__(self, key: bytes) -> Lane:
        lane = self._old.pop(key, None)
        if lane is None:
            writer = self._writers[shard_of(key, self._shards)]
            lane = Lane(key, writer)
            self._size += lane.weight
            if lane.prefix[0] == HASHED:
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
        if self._size <= self._limit:
            return
        in_use = self._drop_old(committed, 0)
        for _ in range(2):  # the second time, lanes that were weighed anew
            if self._size <= self._limit or in_use >= _IN_USE_AT_ONCE:
                return
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
        """Drop old lanes until there is room, or many were found that are in use."""
        order, old, size, limit = self._order, self._old, self._size, self._limit
        while order and size > limit and in_use < _IN_USE_AT_ONCE:
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
                size -= lane.weight
                lane.fields.store = None  # it may be the lane, which would not be freed at once
        self._size = size
        return in_use
