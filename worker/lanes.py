"""The lanes a worker has open: one for each key in use, and a bounded number of idle ones."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from ..store.keys import shard_of
from .lane import Lane

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .commit import Port

LANES_KEPT: Final = 20_000
"""Beyond this many, lanes are dropped when they are idle and committed."""


class Lanes(dict[bytes, Lane]):
    """``lanes[key]`` is the lane of an encoded key, opened on demand."""

    def __init__(self, ports: Mapping[int, Port], shards: int) -> None:
        """`ports` are the shards that the worker owns, of `shards` in all."""
        super().__init__()
        self._ports = ports
        self._shards = shards

    def __missing__(self, key: bytes) -> Lane:
        port = self._ports[shard_of(key, self._shards)]
        lane = self[key] = Lane(key, port)
        if lane.is_hashed:
            port.batch.name_key(lane.prefix, key)
        return lane

    def drop_port(self, port: Port) -> None:
        """Drop all lanes of a shard that the worker lets go of."""
        for key in [key for key, lane in self.items() if lane.port is port]:
            del self[key]

    def drop_idle(self, committed: int) -> None:
        """If there are too many, drop some whose changes are in groups below `committed`."""
        if len(self) <= LANES_KEPT:
            return
        for key in list(islice(self, LANES_KEPT // 4)):
            lane = self.pop(key)
            if not lane.idle or lane.group >= committed:
                self[key] = lane  # at the end: the next look is at others
