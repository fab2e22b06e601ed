"""All shards of the state directory, open for reading beside their writers."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import TYPE_CHECKING

from ...store.lmdb_env import has_data
from ...store.state.reader import ShardReader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...store.shard.snapshot import Snapshot
    from ...store.state.layout import StateLayout


class AllShards:
    """The shards of a state directory; each is opened when it is first needed.

    May be used by several threads. A shard that this process writes is read through its writer's
    environment, and one that it takes over later is opened again.
    """

    def __init__(self, layout: StateLayout, count: int) -> None:
        self._layout = layout
        self._count = count
        self._readers: dict[int, ShardReader] = {}
        self._lock = Lock()

    @contextmanager
    def snapshot(self, number: int) -> Iterator[Snapshot | None]:
        """Give the state of the last commit of one shard; None if there was none."""
        reader = self._reader(number)
        if reader is None:
            yield None
            return
        with reader.snapshot() as snapshot:
            yield snapshot

    @contextmanager
    def snapshots(self) -> Iterator[list[tuple[int, Snapshot]]]:
        """Give the state of the last commit of each shard that has one, with its number."""
        with ExitStack() as stack:
            found = []
            for number in range(self._count):
                reader = self._reader(number)
                snapshot = None if reader is None else stack.enter_context(reader.snapshot())
                if snapshot is not None:
                    found.append((number, snapshot))
            yield found

    def _reader(self, number: int) -> ShardReader | None:
        with self._lock:
            reader = self._readers.get(number)
            if reader is None:
                directory = self._layout.shard(number)
                if not has_data(directory):
                    return None
                reader = self._readers[number] = ShardReader(directory, yields=True)
            return reader

    def close(self) -> None:
        """Close all; may be called again."""
        with self._lock:
            readers, self._readers = self._readers, {}
        for reader in readers.values():
            reader.close()
