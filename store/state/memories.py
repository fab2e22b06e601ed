"""Reads all short-term memory of a state directory, beside its writers and in bounded memory."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import lmdb

from ...agent.errors import StoreCorruptError
from ..encoding.keys import decode_key
from ..faults import lmdb_error
from ..shard.live_fields import LiveFields
from .reader import nest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..shard.snapshot import Snapshot
    from .reader import StoreReader

__all__ = ["Memories", "all_memories"]


class Memories:
    """All keys with their memory, as of one commit of each shard; can be read more than once."""

    def __init__(
        self, snapshots: list[tuple[Path, Snapshot]], decode: Callable[[bytes], Any]
    ) -> None:
        """`snapshots` has the shards' directories, `decode` converts a stored value."""
        self._snapshots = snapshots
        self._decode = decode

    def __iter__(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        """Yield each key with its short-term memory as nested dicts, shard by shard.

        What has expired is left out.

        Raises:
            StoreCorruptError: a shard is damaged.
        """
        for directory, snapshot in self._snapshots:
            try:
                live = LiveFields(snapshot)
                for prefix in live.prefixes():
                    key = snapshot.key_of(prefix)
                    if key is None:
                        raise StoreCorruptError(
                            f"{directory} is damaged (the name of a key is missing).",
                            hint="Restore the state directory from a copy.",
                        )
                    yield decode_key(key), nest(live.scan(prefix), self._decode)
            except lmdb.Error as error:
                raise lmdb_error(error, directory) from error


@contextmanager
def all_memories(reader: StoreReader, decode: Callable[[bytes], Any]) -> Iterator[Memories]:
    """Give all memory of a state directory, as it is now.

    One read transaction per shard is begun before anything is read. So what is given of a key is
    of one commit, and the commits of different shards are as near to each other as can be: workers
    commit each shard on its own, and there is no moment that all shards have in common.

    Close it soon: while it is open, space that the writers free is not used again.

    Raises:
        StoreError: a shard is lost, damaged, or of another store.
    """
    numbers = range(reader.view.manifest.shards)
    for number in numbers:  # opening and checking a shard takes longer than a transaction
        with reader.shard(number):
            pass
    with ExitStack() as stack:
        opened = [(number, stack.enter_context(reader.shard(number))) for number in numbers]
        layout = reader.view.layout
        yield Memories(
            [(layout.shard(number), snapshot) for number, snapshot in opened if snapshot], decode
        )
