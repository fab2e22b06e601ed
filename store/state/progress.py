"""The progress log: the launcher's checkpoint, one record that is replaced atomically.

It is an LMDB environment and not a file, because replacing a record there takes microseconds, needs
no fsync to be atomic, and never leaves a half-written file on a full disk.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import lmdb

from ...agent.errors import StoreCorruptError, StoreError
from ..crashpoints import reach
from ..faults import lmdb_error, system_error
from ..lmdb_env import Environment, has_data, open_reader, open_writer

if TYPE_CHECKING:
    from pathlib import Path

    from ..identity import StoreIdentity

__all__ = ["ProgressLog"]

_RECORD = b"progress"


class ProgressLog:
    """The launcher's record: a dict of values that JSON knows.

    Attributes:
        path: its directory.
    """

    __slots__ = ("_environment", "_writable", "path")

    def __init__(self, path: Path, environment: Environment | None, *, writable: bool) -> None:
        self.path = path
        self._environment = environment
        self._writable = writable

    @classmethod
    def open(cls, path: Path, *, sync: bool) -> ProgressLog:
        """Open for writing; the caller must hold the launcher's lease.

        Args:
            path: its directory, created if need be.
            sync: whether a saved record must survive power loss.
        """
        try:
            path.mkdir(exist_ok=True)
        except OSError as error:
            raise system_error(error, path) from error
        return cls(path, open_writer(path, sync=sync), writable=True)

    @classmethod
    def view(cls, path: Path) -> ProgressLog:
        """Open for reading, beside its writer; a log that does not exist yet is empty."""
        present = has_data(path)
        return cls(path, open_reader(path) if present else None, writable=False)

    def load(self) -> dict[str, Any] | None:
        """Return the last record saved, None if there is none."""
        if self._environment is None:
            return None
        handle = self._environment.require()
        try:
            with handle.begin() as transaction:
                data = transaction.get(_RECORD)
        except lmdb.Error as error:
            raise lmdb_error(error, self.path) from error
        if data is None:
            return None
        try:
            record: dict[str, Any] = json.loads(data)
        except ValueError as error:
            raise StoreCorruptError(
                f"{self.path} is damaged ({error}).",
                hint="Restore the state directory from a copy.",
            ) from error
        return record

    def save(self, record: dict[str, Any]) -> None:
        """Replace the record; on return it is as durable as the store.

        Raises:
            StoreFullError: no room; the old record is still there.
            StoreError: another failure, or the log was opened for reading.
        """
        if self._environment is None or not self._writable:
            raise StoreError(
                f"{self.path} was opened for reading.", hint="Open the state directory to write."
            )
        data = json.dumps(record, separators=(",", ":")).encode()
        reach("progress.before")
        handle = self._environment.require()
        try:
            with handle.begin(write=True) as transaction:
                transaction.put(_RECORD, data)
        except lmdb.Error as error:
            raise lmdb_error(error, self.path) from error
        reach("progress.after")

    def record(self, identity: StoreIdentity) -> None:
        """Record which store the log belongs to.

        Raises:
            ForeignStoreError, StoreFormatError: it belongs to another one.
        """
        self._with_identity(identity, write=True)

    def check(self, identity: StoreIdentity) -> None:
        """Check that the log belongs to this store.

        Raises:
            ForeignStoreError, StoreFormatError: it does not.
        """
        self._with_identity(identity, write=False)

    def _with_identity(self, identity: StoreIdentity, *, write: bool) -> None:
        if self._environment is None:
            return
        handle = self._environment.require()
        try:
            with handle.begin(write=write) as transaction:
                known = identity.check(transaction, None, self.path, required=not write)
                if not known:
                    identity.record(transaction, None)
        except lmdb.Error as error:
            raise lmdb_error(error, self.path) from error

    def close(self) -> None:
        """Close the log; may be called again."""
        if self._environment is not None:
            self._environment.close()
