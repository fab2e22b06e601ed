"""Makes the parts of a store, once, and checks them each time that it is opened.

All parts are made before the first worker starts, and the manifest records that they are complete.
From then on a part that is missing, empty, from elsewhere or older than the checkpoint is damage,
and an error: to begin it anew would give wrong results.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import lmdb

from ...agent.errors import StoreCorruptError
from ..faults import lmdb_error
from ..identity import STORE_KEY, check_present, new_identity
from ..lmdb_env import has_data, open_reader
from ..shard.shard import Shard
from ..shard.snapshot import Databases, Snapshot
from .layout import StateLayout
from .progress import ProgressLog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..identity import StoreIdentity
    from .manifest import Manifest

__all__ = ["acknowledged", "check", "complete", "open_progress", "opened_snapshot"]


def open_progress(directory: Path, manifest: Manifest) -> ProgressLog:
    """Open the progress log for writing; make it if the store is not complete.

    Raises:
        StoreCorruptError: it is lost.
        ForeignStoreError: it belongs to another store.
    """
    path = StateLayout(directory).progress
    if manifest.complete:
        check_present(path, "The progress log")
    progress = ProgressLog.open(path, sync=manifest.durability == "machine")
    try:
        if manifest.complete:
            progress.check(manifest.identity)
    except BaseException:
        progress.close()
        raise
    return progress


def complete(directory: Path, manifest: Manifest, progress: ProgressLog) -> Manifest:
    """Make the shards of a store that is not complete; return its manifest, which says so then.

    A store that an older version has made gets an identity.

    Raises:
        StoreCorruptError: a shard of an older store is lost.
        StoreError: as `Shard.acquire`.
    """
    layout = StateLayout(directory)
    numbers = range(manifest.shards)
    for number in acknowledged(progress):
        check_present(layout.shard(number), f"Shard {number}")
    if not manifest.store:
        found = (_store_of(layout.shard(number)) for number in numbers)
        store = next(filter(None, found), "") or new_identity()
        manifest = replace(manifest, store=store)
        manifest.write(directory)
    progress.record(manifest.identity)
    for number in numbers:
        shard = Shard.acquire(
            layout.shard(number), number, manifest.durability, store=manifest.identity
        )
        shard.close()
    check(directory, manifest, progress)
    manifest = replace(manifest, complete=True)
    manifest.write(directory)
    return manifest


def check(directory: Path, manifest: Manifest, progress: ProgressLog) -> None:
    """Check all shards of a complete store.

    Raises:
        StoreCorruptError: one is lost or damaged, or not of the same time as the checkpoint.
        ForeignStoreError, StoreFormatError: one belongs elsewhere.
    """
    levels = acknowledged(progress)
    is_new = progress.load() is None
    for number in range(manifest.shards):
        path = StateLayout(directory).shard(number)
        with opened_snapshot(path, number, manifest.identity) as snapshot:
            first, last = snapshot.first_sequence(), snapshot.last_sequence()
        level = levels.get(number, 0)
        if last < level:
            raise _other_time(
                f"{path} is older than the checkpoint: it ends with record {last}, and record "
                f"{level} was delivered."
            )
        if first > level + 1 and not is_new:
            raise _other_time(
                f"The checkpoint is older than {path}: it ends with record {level}, and the shard "
                f"has dropped all records before {first}."
            )


def _other_time(message: str) -> StoreCorruptError:
    return StoreCorruptError(message, hint="Restore the whole state directory from one copy.")


@contextmanager
def opened_snapshot(path: Path, number: int, identity: StoreIdentity | None) -> Iterator[Snapshot]:
    """Give the state of one shard's last commit, checked for its place in the store, if it has one.

    Raises:
        StoreCorruptError: it is lost or damaged.
        ForeignStoreError, StoreFormatError: it belongs elsewhere.
    """
    check_present(path, f"Shard {number}")
    environment = open_reader(path)
    try:
        handle = environment.require()
        snapshot = Snapshot(handle, Databases.open(handle, None, create=False))
        try:
            if identity is not None:
                snapshot.check_identity(identity, number, path)
            yield snapshot
        finally:
            snapshot.close()
    except lmdb.NotFoundError:
        raise StoreCorruptError(
            f"{path} is not a shard.", hint="Restore the state directory from a copy."
        ) from None
    except lmdb.Error as error:
        raise lmdb_error(error, path) from error
    finally:
        environment.close()


def acknowledged(progress: ProgressLog) -> dict[int, int]:
    """Return the last outbox record of each shard that the checkpoint covers."""
    record: dict[str, Any] = progress.load() or {}
    return {int(shard): level for shard, level in record.get("trims", {}).items()}


def _store_of(path: Path) -> str:
    """Return the identity that a shard has recorded, empty if it has none."""
    if not has_data(path):
        return ""
    environment = open_reader(path)
    try:
        handle = environment.require()
        try:
            databases = Databases.open(handle, None, create=False)
        except lmdb.NotFoundError:
            return ""
        with handle.begin() as transaction:
            store: bytes = transaction.get(STORE_KEY, b"", databases.meta)
        return store.hex()
    except lmdb.Error as error:
        raise lmdb_error(error, path) from error
    finally:
        environment.close()
