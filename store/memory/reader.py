"""`open_memory`: what agents have in memory, for other programs, beside the pool that writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import MemorySetError, StoreError
from ...agent.naming.public import public
from ..encoding.keys import decode_key, shard_of
from ..sets.selecting import shared_sets
from ..state.reader import StoreReader
from ..state.stored_keys import keys_in
from .opened_set import SetPlace, opened_set, set_names
from .set_reader import MemorySetReader

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

__all__ = ["MemoryReader", "open_memory"]


@public
class MemoryReader:
    """What is in memory in a state directory, read by any program; `open_memory` gives it.

    It neither blocks the pool nor waits for it, and may be used from several threads. Memory sets
    are read without executing anything that they contain. Values of short-term memory are pickles:
    read only those of agents that you trust.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._open: StoreReader | None = StoreReader(path)

    @property
    def _reader(self) -> StoreReader:
        if self._open is None:
            raise StoreError(
                "This memory is closed.", hint="Use it inside of the block, or open it again."
            )
        return self._open

    @property
    def path(self) -> Path:
        """The state directory."""
        return self._reader.view.path

    @property
    def agent(self) -> str:
        """The name of the agent that it belongs to."""
        return self._reader.view.manifest.agent

    def keys(self) -> Iterator[Any]:
        """Yield all keys that have short-term memory or memory sets, shard by shard."""
        for number in range(self._reader.view.manifest.shards):
            with self._reader.shard(number) as snapshot:
                if snapshot is not None:
                    for key in keys_in(snapshot):
                        yield decode_key(key)

    def short_term_memory(self, key: Any) -> dict[str, Any]:
        """The short-term memory of a key as nested dicts, empty if it has none.

        Raises:
            InputError: the value cannot be a key.
            UnserializableError: a value is of a class that cannot be imported here.
        """
        return self._reader.memory(key) or {}

    def memory_set_names(self, key: Any) -> list[str]:
        """The names of the memory sets that a key has.

        Raises InputError if the value cannot be a key.
        """
        encoded = self._reader.encoded(key)
        number = shard_of(encoded, self._reader.view.manifest.shards)
        with self._reader.shard(number) as snapshot:
            return [] if snapshot is None else set_names(snapshot, encoded)

    def shared_memory_set_names(self) -> list[str]:
        """The names of the memory sets that all keys share."""
        names: set[str] = set()
        for number in range(self._reader.view.manifest.shards):
            with self._reader.shard(number) as snapshot:
                if snapshot is not None:
                    names.update(name.name for name in shared_sets(snapshot.sets()))
        return sorted(names)

    def get_memory_set(self, key: Any, name: str) -> MemorySetReader:
        """A memory set of a key.

        Raises:
            MemorySetError: the key has no such set.
            InputError: the value cannot be a key.
        """
        return self._set(SetPlace(name, self._reader.encoded(key)), f"The key {key!r}")

    def get_shared_memory_set(self, name: str) -> MemorySetReader:
        """A memory set that all keys share. Raises MemorySetError if there is none."""
        return self._set(SetPlace(name, None), "The agent")

    def _set(self, place: SetPlace, owner: str) -> MemorySetReader:
        with opened_set(self._reader, place) as opened:
            if opened.is_there:
                return MemorySetReader(self._reader, place)
        known = (
            self.shared_memory_set_names()
            if place.key is None
            else self.memory_set_names(decode_key(place.key))
        )
        kind = "shared memory set" if place.key is None else "memory set"
        raise MemorySetError(
            f"{owner} has no {kind} {place.name!r}.",
            hint=f"There are {', '.join(map(repr, known))}." if known else "There is none at all.",
        )

    def close(self) -> None:
        """Close the files; may be called again."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._open.view.path if self._open else 'closed'}>"


def open_memory(path: str | os.PathLike[str]) -> MemoryReader:
    """Open a state directory, to read what agents have in memory, also while a pool writes it.

        with tamias.open_memory("pool") as memory:
            for item in memory.get_memory_set("ada", "notes").search("coffee"):
                print(item.value)

    A child that is forked while it is open cannot use it, nor open it anew: fork first.

    Raises:
        StoreFormatError: it is no state directory, or of a newer format.
        StoreError: this user may not read it, or the process that this one was forked from had it
            open.
    """
    return MemoryReader(path)
