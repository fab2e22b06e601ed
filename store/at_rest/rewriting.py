"""Writes an LMDB environment anew, so that nothing is left in its file of what was deleted.

What is deleted stays in the file: in pages that are free and will be used again some time, and in
the gaps of pages that are in use, for LMDB's buffers are not cleared. Its own compacting copy takes
whole pages along, gaps included. So all records are read, and written into a new environment.

Both files of an environment, the data and the table of readers, belong together, and LMDB opens
them one after the other. So nobody may open them while one of them is new and the other is not:

1. A link to nowhere takes the place of the table. From here on nobody can open the environment,
   and a process that had opened the table before finds that the data has changed (`lmdb_env`).
2. The new data takes the place of the old, and then the new table that of the link.

Processes that have the old files open go on reading these; `ShardReader` looks for new ones with
each answer. If this process dies between the steps, either data is complete, and the next process
that opens the environment makes a table.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import lmdb

from ..crashpoints import reach
from ..faults import free_bytes, full, lmdb_error, system_error
from ..files import sync_directories
from ..lease import Lease
from ..lmdb_env import LOCK_FILE, has_data, open_reader, open_writer

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

__all__ = ["disk_bytes", "rewrite"]

DATA_FILE: Final = "data.mdb"
_NEW: Final = "rewritten"
_NOWHERE: Final = "being-written-anew/reader-table"
_AT_ONCE: Final = 4 << 20
"""Bytes of records in one transaction."""
_PATIENCE: Final = 5.0
"""Seconds for which the lease is waited for."""


def rewrite(directory: Path, leave_out: Container[tuple[bytes, bytes]] = ()) -> None:
    """Write the environment in `directory` anew. No process may write to it: its lease is taken.

    `leave_out` are records that are not taken along: table and key.

    Raises:
        LeaseHeldError: a process writes to it.
        StoreFullError: there is no room for another copy; nothing has changed.
        StoreError: it is damaged, or cannot be written; nothing has changed.
    """
    if not has_data(directory):
        return
    lease = Lease.acquire(directory / "lease", _PATIENCE)
    new = directory / _NEW
    try:
        shutil.rmtree(new, ignore_errors=True)  # what a process has left that was killed
        if free_bytes(directory) < disk_bytes(directory):
            raise full(directory)
        new.mkdir(mode=0o700)
        _copy(directory, new, leave_out)
        reach("rewrite.before")
        _replace(directory, new)
        reach("rewrite.after")
    except OSError as error:
        raise system_error(error, directory) from error
    except lmdb.Error as error:
        raise lmdb_error(error, directory) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
        lease.close()


def disk_bytes(directory: Path) -> int:
    """What the data of an environment takes on disk."""
    with suppress(OSError):
        return (directory / DATA_FILE).stat().st_blocks * 512
    return 0


def _replace(directory: Path, new: Path) -> None:
    """See the module's text."""
    link = new / "link"
    link.symlink_to(_NOWHERE)
    link.replace(directory / LOCK_FILE)
    reach("rewrite.inside")
    (new / DATA_FILE).replace(directory / DATA_FILE)
    reach("rewrite.inside")
    (new / LOCK_FILE).replace(directory / LOCK_FILE)
    sync_directories(directory)


def _copy(directory: Path, new: Path, leave_out: Container[tuple[bytes, bytes]]) -> None:
    """Copy all records; on return they are on the disk."""
    status = (directory / DATA_FILE).stat()
    source, target = open_reader(directory), open_writer(new, sync=False)
    try:
        read, write = source.require(), target.require()
        with read.begin() as transaction:
            names = [name for name, _ in transaction.cursor().iternext()]
            tables = {name: read.open_db(name, transaction, create=False) for name in names}
            for name, table in tables.items():
                copied = write.open_db(name)
                with transaction.cursor(table) as cursor:
                    for batch in _batches(cursor):
                        records = [pair for pair in batch if (name, pair[0]) not in leave_out]
                        with write.begin(write=True) as writing:
                            writing.cursor(copied).putmulti(records, append=True)
        write.sync(True)
    finally:
        target.close()
        source.close()
    for file in (new / DATA_FILE, new / LOCK_FILE):
        file.chmod(status.st_mode & 0o777)
        with suppress(PermissionError):  # only root can keep another user as the owner
            os.chown(file, status.st_uid, status.st_gid)


def _batches(cursor: Any) -> Iterator[list[tuple[bytes, bytes]]]:
    records: list[tuple[bytes, bytes]] = []
    size = 0
    for key, value in cursor.iternext():
        records.append((key, value))
        size += len(key) + len(value)
        if size >= _AT_ONCE:
            yield records
            records, size = [], 0
    if records:
        yield records
