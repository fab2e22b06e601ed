"""Reads a store from any process, while its workers write.

Each method uses one read transaction per shard. So the answer about a key is the state of one
commit; an answer about many shards may have states of different moments.
"""

from __future__ import annotations

import contextlib
import heapq
from operator import attrgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import lmdb

from ...agent.errors import StoreError
from ..encoding.keys import decode_key, encode_key, key_prefix, shard_of
from ..encoding.values import loads
from ..faults import lmdb_error
from ..lmdb_env import data_file, has_data, open_reader
from ..records.outbox import decode_outputs
from ..records.usage import NO_USE
from ..shard.live_fields import LiveFields
from ..shard.sets_view import SetsView
from ..shard.snapshot import Databases, Snapshot
from .directory import StateDirectory
from .parts import opened_snapshot
from .stored_keys import has_no_groups, key_of_group

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Iterator
    from pathlib import Path

    from typing_extensions import Self

    from ..lmdb_env import Environment
    from ..records.dead_letters import DeadLetter
    from ..records.journal import JournalEntry
    from ..records.outbox import Outputs
    from ..records.usage import Use

__all__ = ["ShardReader", "StoreReader", "nest"]


class ShardReader:
    """One shard, open for reading beside its writer.

    Attributes:
        directory: the shard's directory.
    """

    __slots__ = (
        "_are_complete",
        "_databases",
        "_environment",
        "_file",
        "_is_closed",
        "_lock",
        "_locked",
        "_path",
        "_yields",
        "directory",
    )

    def __init__(self, directory: Path, *, yields: bool = False, locked: bool = True) -> None:
        """Open the shard.

        Args:
            directory: the shard's directory.
            yields: whether this process may open the shard for writing later.
            locked: see `open_reader`.
        """
        self.directory = directory
        self._path = str(directory)
        self._yields = yields
        self._locked = locked
        self._environment = self._open()
        self._file = data_file(directory)
        self._databases: Databases | None = None
        self._are_complete = False
        self._is_closed = False
        self._lock = Lock()

    def _open(self) -> Environment:
        return open_reader(self.directory, yields=self._yields, locked=self._locked)

    def snapshot(self) -> contextlib.AbstractContextManager[Snapshot | None]:
        """Give the state of the last commit; None if there was none.

        Close it soon: while it is open, space that the writer frees is not used again.

        Raises:
            StoreError: the reader was closed, or LMDB failed.
        """
        return _Opened(self, Snapshot)

    def sets(self) -> contextlib.AbstractContextManager[SetsView | None]:
        """Give the memory sets of that state; see `snapshot`."""
        return _Opened(self, SetsView)

    def begin(
        self, view: Callable[[lmdb.Environment, Databases], _View]
    ) -> tuple[Environment, _View | None]:
        """Return a view of the last commit, if there was one, and what is used until its end."""
        with self._lock:
            handle = self._begin_use()
            used = self._environment
            try:
                databases = self._databases
                if databases is None or not self._are_complete:
                    databases = self._opened_databases(handle)
                return used, None if databases is None else view(handle, databases)
            except BaseException:
                used.end_use()
                raise

    def _begin_use(self) -> lmdb.Environment:
        """The LMDB environment, which stays open until `end_use`."""
        try:
            return self._opened().begin_use()
        except StoreError:
            if self._is_closed or not self._yields:
                raise
            return self._opened().begin_use()  # it has yielded in between

    def _opened(self) -> Environment:
        """The environment."""
        if self._yields and self._environment.handle is None and not self._is_closed:
            self._environment, self._file = self._open(), data_file(self.directory)
            self._databases = None
        if not self._is_closed and (file := data_file(self._path)) not in (None, self._file):
            # It was written anew (`at_rest.rewriting`): what is open here is the old file.
            self._environment.close()
            self._environment, self._file = self._open(), file
            self._databases = None
        return self._environment

    def _opened_databases(self, handle: lmdb.Environment) -> Databases | None:
        """The databases of the environment, if there are any."""
        shared: Databases | None = self._environment.shared_tables()
        if shared is not None:
            self._databases = shared
        elif self._databases is None or not self._are_complete:
            with contextlib.suppress(lmdb.NotFoundError):
                self._databases = Databases.open(handle, None, create=False)
        self._are_complete = self._databases is not None and self._databases.are_complete
        return self._databases

    def close(self) -> None:
        """Close the reader; may be called again."""
        with self._lock:
            self._is_closed = True
            self._environment.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Closable(Protocol):
    """What is open for a while."""

    def close(self) -> None:
        """Close it."""


_View = TypeVar("_View", bound=_Closable)


class _Opened(Generic[_View]):
    """See `ShardReader.snapshot`; a class, as a generator takes longer than all the rest."""

    __slots__ = ("_make", "_reader", "_used", "_view")

    def __init__(
        self, reader: ShardReader, make: Callable[[lmdb.Environment, Databases], _View]
    ) -> None:
        self._reader = reader
        self._make = make

    def __enter__(self) -> _View | None:
        try:
            self._used, self._view = self._reader.begin(self._make)
        except lmdb.Error as error:
            raise lmdb_error(error, self._reader.directory) from error
        return self._view

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if self._view is not None:
                self._view.close()
        finally:
            self._used.end_use()
        if isinstance(error, lmdb.Error):
            raise lmdb_error(error, self._reader.directory) from error


class StoreReader:
    """A state directory's shards, open for reading, for commands such as `inspect`.

    Several threads may read at the same time.

    Attributes:
        view: the directory with its manifest and progress.
    """

    __slots__ = ("_has_no_groups", "_lock", "_readers", "_yields", "view")

    def __init__(self, path: str | os.PathLike[str], *, yields: bool = False) -> None:
        """Open the state directory at `path`.

        `yields` as for `ShardReader`; whether the shards belong to this store is not checked then.

        Raises:
            StoreFormatError: it is not one, or of a newer format.
        """
        self.view = StateDirectory.view(path)
        self._readers: dict[int, ShardReader] = {}
        self._yields = yields
        self._lock = Lock()
        self._has_no_groups = False

    def shard(self, number: int) -> contextlib.AbstractContextManager[Snapshot | None]:
        """Give the last commit's state of one shard; None if it has not been used yet."""
        reader = self._reader(number)
        return contextlib.nullcontext() if reader is None else reader.snapshot()

    def sets(self, number: int) -> contextlib.AbstractContextManager[SetsView | None]:
        """Give the memory sets of that state."""
        reader = self._reader(number)
        return contextlib.nullcontext() if reader is None else reader.sets()

    def _reader(self, number: int) -> ShardReader | None:
        with self._lock:
            return self._readers.get(number) or self._opened(number)

    def _opened(self, number: int) -> ShardReader | None:
        """Open a shard; None if it has not been used yet."""
        directory = self.view.layout.shard(number)
        if self.view.manifest.complete and not self._yields:
            with opened_snapshot(directory, number, self.view.manifest.identity):
                pass
        elif not has_data(directory):
            return None
        reader = self._readers[number] = ShardReader(directory, yields=self._yields)
        return reader

    def _shards(self) -> Iterator[tuple[int, Snapshot]]:
        for number in range(self.view.manifest.shards):
            with self.shard(number) as snapshot:
                if snapshot is not None:
                    yield number, snapshot

    def keys(self) -> Iterator[Any]:
        """Yield all keys that have memory which has not expired, shard by shard."""
        for _, snapshot in self._shards():
            for prefix in LiveFields(snapshot).prefixes():
                key = snapshot.key_of(prefix)
                if key is not None:
                    yield decode_key(key)

    def encoded(self, key: Any) -> bytes:
        """Return a key as the store has it: in the directory of a Flink task, with its group.

        Raises:
            InputError: the value cannot be a key.
        """
        own = encode_key(key)
        if self._has_no_groups:
            return own
        for _, snapshot in self._shards():
            if has_no_groups(snapshot):
                self._has_no_groups = True
                break
            found = key_of_group(snapshot, own)
            if found is not None:
                return found
        return own

    def memory(self, key: Any, decode: Callable[[bytes], Any] = loads) -> dict[str, Any] | None:
        """Return the short-term memory of a key as nested dicts, None if it has none.

        Args:
            key: the key.
            decode: converts a stored value to the one returned.

        Raises:
            InputError: the value cannot be a key.
            UnserializableError: a value cannot be rebuilt here (with the default `decode`).
        """
        encoded = self.encoded(key)
        with self.shard(shard_of(encoded, self.view.manifest.shards)) as snapshot:
            found = LiveFields(snapshot).scan(key_prefix(encoded)) if snapshot is not None else []
        return nest(found, decode) if found else None

    def journal(self) -> dict[int, list[JournalEntry]]:
        """Return the journal of all unfinished runs, by input offset."""
        runs: dict[int, list[JournalEntry]] = {}
        for _, snapshot in self._shards():
            runs.update(snapshot.journal())
        return dict(sorted(runs.items()))

    def interrupted(self) -> dict[int, list[JournalEntry]]:
        """Return what `journal` does, without suspended runs, of which there may be many."""
        runs: dict[int, list[JournalEntry]] = {}
        for _, snapshot in self._shards():
            runs.update(snapshot.interrupted())
        return dict(sorted(runs.items()))

    def outbox(self) -> Iterator[tuple[int, int, Outputs]]:
        """Yield shard, sequence number and outputs of all records still in an outbox."""
        for number, snapshot in self._shards():
            for sequence, data in snapshot.outbox():
                yield number, sequence, decode_outputs(data)

    def dead_letters(self) -> list[DeadLetter]:
        """Return all dead letters by ascending offset."""
        letters = [letter for _, shard in self._shards() for letter in shard.dead_letters()]
        return sorted(letters, key=lambda letter: letter.offset)

    def dead_letters_after(
        self, after: int = -1, *, cause: str | None = None
    ) -> Generator[DeadLetter, None, None]:
        """Yield the dead letters with an offset above `after`, by ascending offset.

        Reads only what is asked for, with a snapshot of each shard that stays open meanwhile.
        `cause`: only these.
        """
        with contextlib.ExitStack() as stack:
            opened = map(self.shard, range(self.view.manifest.shards))
            snapshots = [stack.enter_context(shard) for shard in opened]
            letters = [each.dead_letters(after) for each in snapshots if each is not None]
            try:
                for letter in heapq.merge(*letters, key=attrgetter("offset")):
                    if cause is None or letter.cause == cause:
                        yield letter
            finally:
                for each in letters:  # their cursors end before the transactions
                    each.close()

    def dead_letter(self, offset: int) -> tuple[int, DeadLetter] | None:
        """Return the dead letter of one input with its shard's number, None if there is none."""
        for number, snapshot in self._shards():
            letter = snapshot.dead_letter(offset)
            if letter is not None:
                return number, letter
        return None

    def counts(self) -> dict[str, int]:
        """Return how many memory fields, journal, outbox and dead letter records there are.

        Fields that have expired and are not removed yet are counted.
        """
        total = dict.fromkeys(("memory", "journal", "outbox", "dead"), 0)
        for _, snapshot in self._shards():
            counts = snapshot.counts()
            for name in total:
                total[name] += counts[name]
        return total

    def usage(self) -> dict[str, Use]:
        """Return what calls with limits have used, by limit."""
        total: dict[str, Use] = {}
        for _, snapshot in self._shards():
            for name, use in snapshot.usage_totals().items():
                total[name] = total.get(name, NO_USE) + use
        return total

    def close(self) -> None:
        """Close all readers; may be called again."""
        for reader in self._readers.values():
            reader.close()
        self._readers.clear()
        self.view.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def nest(fields: Iterable[tuple[str, bytes]], decode: Callable[[bytes], Any]) -> dict[str, Any]:
    """Return memory fields as nested dicts: path "a.b" is found at ["a"]["b"].

    Args:
        fields: paths and encoded values, parents before what is below them; `b""` marks an object.
        decode: converts an encoded value to the one returned.
    """
    root: dict[str, Any] = {}
    objects: dict[str, dict[str, Any]] = {"": root}
    for path, value in fields:
        above, _, name = path.rpartition(".")
        parent = _object(objects, above)
        if value == b"":
            _object(objects, path)
        else:
            parent[name] = decode(value)
    return root


def _object(objects: dict[str, dict[str, Any]], path: str) -> dict[str, Any]:
    """Return the dict for the object at `path`; makes it, and those above it, if need be."""
    found = objects.get(path)
    if found is None:
        above, _, name = path.rpartition(".")
        found = objects[path] = {}
        _object(objects, above)[name] = found
    return found
