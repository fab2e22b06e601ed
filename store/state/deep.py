"""Reads all of a store and checks each record: `tamias doctor --deep`.

LMDB keeps no checksums, so damage inside a value can only be found if the value's encoding shows
it. All that can be checked without the agent's code is: every page that is in use, the order of
keys, the shard that each key belongs to, and the encoding of each record.

Damaged pages can end the process that reads them, by SIGSEGV or SIGBUS: read in one that may die.
"""

from __future__ import annotations

import os
from dataclasses import fields
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import lmdb

from ...agent.errors import StoreCorruptError, TamiasError
from ..encoding.keys import decode_key, shard_of
from ..encoding.values import check_form
from ..faults import lmdb_error
from ..lmdb_env import open_reader
from ..records.dead_letters import DeadLetter
from ..records.journal import JournalEntry
from ..records.outbox import decode_outputs
from ..sets.checking import problems_in
from ..shard.expiring import entry_of
from ..shard.snapshot import Databases
from ..waiting.checking import problem_in
from .parts import opened_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..identity import StoreIdentity
    from ..shard.snapshot import Snapshot

__all__ = ["read_environment", "read_shard"]

_MOST_PROBLEMS: Final = 10
"""Of memory sets, that are named in a message."""
_TABLES = tuple(field.name for field in fields(Databases))


def read_environment(path: Path) -> str:
    """Read every page of an LMDB environment; return how much that was.

    Raises:
        StoreCorruptError: it is damaged.
    """
    environment = open_reader(path)
    try:
        handle = environment.require()
        _copy_to_nowhere(handle)
        total = 0
        with handle.begin() as transaction:
            for key, value in transaction.cursor().iternext():
                total += len(key) + len(value)
    except lmdb.Error as error:
        raise lmdb_error(error, path) from error
    finally:
        environment.close()
    return f"{total:,} bytes read"


def read_shard(path: Path, number: int, shards: int, identity: StoreIdentity | None) -> str:
    """Read all of a shard; return how many records that were.

    Args:
        path: its directory.
        number: its number, of `shards`.
        shards: the number of shards.
        identity: the store that it must belong to; None in one that an older version has made.

    Raises:
        StoreCorruptError: it is damaged, or has records of another shard.
        StoreError: it belongs elsewhere.
    """
    with opened_snapshot(path, number, identity) as snapshot:
        _check_keys(snapshot, path, number, shards)
        _check_waiting(snapshot, path, number, shards)
    environment = open_reader(path)
    try:
        handle = environment.require()
        _copy_to_nowhere(handle)
        databases = Databases.open(handle, None, create=False)
        records = 0
        with handle.begin() as transaction:
            problems = list(islice(problems_in(transaction, databases), _MOST_PROBLEMS))
            if problems:
                raise _damaged(path, "; ".join(problems))
            for name in _TABLES:
                database = getattr(databases, name)
                if database is None:  # an old version has not made it
                    continue
                for key, value in _items(transaction, database, f"{path} ({name})"):
                    records += 1
                    _check_record(name, key, value, path)
    except lmdb.Error as error:
        raise lmdb_error(error, path) from error
    finally:
        environment.close()
    return f"{records:,} records read"


def _copy_to_nowhere(handle: lmdb.Environment) -> None:
    """Have LMDB visit all pages, and compare their number with the list of free ones."""
    descriptor = os.open(os.devnull, os.O_WRONLY)
    try:
        handle.copyfd(descriptor, compact=True)
    finally:
        os.close(descriptor)


def _items(
    transaction: lmdb.Transaction[bytes], database: Any, where: str
) -> Iterator[tuple[bytes, bytes]]:
    """Yield all records of a database, whose keys must ascend and whose number must be right."""
    last: bytes | None = None
    count = 0
    with transaction.cursor(database) as cursor:
        for key, value in cursor.iternext():
            if last is not None and key <= last:
                raise _damaged(where, "its keys are out of order")
            last = key
            count += 1
            yield key, value
    expected = transaction.stat(database)["entries"]
    if count != expected:
        raise _damaged(where, f"{count} records are left of {expected}")


def _check_keys(snapshot: Snapshot, path: Path, number: int, shards: int) -> None:
    for prefix in snapshot.prefixes():
        key = snapshot.key_of(prefix)
        if key is None:
            raise _damaged(path, f"the full form of the key {prefix.hex()} is missing")
        if shard_of(key, shards) != number:
            raise _damaged(path, f"the key {key[1:41]!r} belongs to another shard")
        if key[:1] != b"p" and key[:1] != b"g":  # those may need the user's classes
            try:
                decode_key(key)
            except TamiasError as error:
                raise _damaged(path, str(error)) from error
        snapshot.fields(prefix, 1 << 62)  # the full forms of long paths


def _check_waiting(snapshot: Snapshot, path: Path, number: int, shards: int) -> None:
    try:
        problem = problem_in(snapshot.waiting, number, shards)
    except lmdb.Error:
        raise
    except Exception as error:
        raise _damaged(path, f"a record of what waits cannot be read: {error}") from error
    if problem:
        raise _damaged(path, problem)


def _check_record(name: str, key: bytes, value: bytes, path: Path) -> None:
    try:
        if name == "memory":
            if value:  # else an object
                check_form(value)
        elif name == "journal":
            JournalEntry.decode(key, value)
        elif name == "outbox":
            decode_outputs(value)
        elif name == "dead":
            DeadLetter.decode(value)
        elif name == "expiring":
            entry_of(key)
    except Exception as error:
        raise _damaged(
            path, f"the record {key[:40]!r} of {name} cannot be read: {error}"
        ) from error


def _damaged(where: object, reason: str) -> StoreCorruptError:
    return StoreCorruptError(
        f"{where} is damaged: {reason}.", hint="Restore the state directory from a copy."
    )
