"""Reads fields of short-term memory: most of what it costs to open a lane, so it is compiled."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

import lmdb

from ..encoding.paths import MAX_ADDRESS
from ..faults import lmdb_error

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["FieldReader", "read_fields"]

_PATHS: Final[dict[bytes, str]] = {}
"""Paths by their bytes: agents have few, and all keys share their texts."""
_PATHS_KEPT: Final = 1024


def read_fields(
    cursor: Any, prefix: bytes, limit: int, path_of: Callable[[bytes, int], str]
) -> tuple[dict[str, bytes], bool]:
    """Return up to `limit` fields of one key, path to value, and whether those are all.

    `path_of` returns the path in an address, whose prefix has a length.
    """
    found: dict[str, bytes] = {}
    if not cursor.set_range(prefix):
        return found, True
    # Faster than an iterator, because most keys have one or two fields.
    stored: bytes = cursor.key()
    start = len(prefix)
    while stored.startswith(prefix):
        if len(found) >= limit:
            return found, False
        path = _PATHS.get(stored[start:])
        if path is None:
            path = path_of(stored, start)
            if len(stored) < MAX_ADDRESS and len(_PATHS) < _PATHS_KEPT:
                _PATHS[stored[start:]] = path
        found[path] = cursor.value()
        if not cursor.next():
            break
        stored = cursor.key()
    return found, True


class Readable(Protocol):
    """A snapshot, as far as it is used here."""

    @property
    def get(self) -> Callable[[bytes], bytes | None]:
        """Returns the value at an address."""

    @property
    def cursor(self) -> Any:
        """A cursor of the fields."""

    def path_of(self, stored: bytes, start: int) -> str:
        """Return the path in an address, whose prefix has the length `start`."""

    def close(self) -> None:
        """End it."""


_S = TypeVar("_S", bound=Readable)


class FieldReader(Generic[_S]):
    """Reads in the snapshot of a shard's last commit.

    Between commits of the only writer nothing changes, so one transaction serves all reads.

    Attributes:
        lock: held while the snapshot is read or dropped.
        snapshot: the snapshot, if something has been read since the last commit.
    """

    def __init__(self, opened: Callable[[], _S], directory: Path) -> None:
        """`opened` opens a snapshot of the shard in `directory`."""
        self.lock: Any = Lock()
        self.snapshot: _S | None = None
        self._get: Any = None
        self._cursor: Any = None
        self._opened = opened
        self._directory = directory

    def view(self) -> _S:
        """Return the snapshot, for as long as the caller holds the lock."""
        snapshot = self.snapshot
        if snapshot is None:
            try:
                snapshot = self._opened()
            except lmdb.Error as error:
                raise lmdb_error(error, self._directory) from error
            self.snapshot = snapshot
            self._get = snapshot.get
            self._cursor = snapshot.cursor
        return snapshot

    def drop(self) -> None:
        """Close the snapshot, if there is one."""
        with self.lock:
            snapshot = self.forget()
            if snapshot is not None:
                snapshot.close()

    def forget(self) -> _S | None:
        """Return the snapshot, and read no more in it."""
        snapshot, self.snapshot = self.snapshot, None
        self._get = self._cursor = None
        return snapshot

    def record(self, at: bytes) -> bytes | None:
        """Return the encoded value of the field at an address (`paths.address`), or None.

        Nothing else of the store is called as often, so the lock is taken the shorter way.
        """
        lock = self.lock
        lock.acquire()
        try:
            if self._get is None:
                self.view()
            value: bytes | None = self._get(at)
        except lmdb.Error as error:
            raise lmdb_error(error, self._directory) from error
        finally:
            lock.release()
        return value

    def fields(self, prefix: bytes, limit: int) -> tuple[dict[str, bytes], bool]:
        """Return what `read_fields` returns."""
        lock = self.lock
        lock.acquire()
        try:
            snapshot = self.snapshot
            if snapshot is None:
                snapshot = self.view()
            return read_fields(self._cursor, prefix, limit, snapshot.path_of)
        except lmdb.Error as error:
            raise lmdb_error(error, self._directory) from error
        finally:
            lock.release()
