"""Forgets a key in a state directory that no launcher uses: removed first, then the file anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.errors import UsageError
from ..encoding.keys import shard_of
from ..shard.shard import Shard
from ..state.reader import StoreReader
from .erasing import MARK, Erasure, find_erasure, is_marked
from .rewriting import disk_bytes, rewrite

if TYPE_CHECKING:
    from pathlib import Path

    import lmdb

    from ..shard.snapshot import Databases
    from ..state.directory import StateDirectory
    from .erasing import Attribution, Scope

__all__ = [
    "Rewritten",
    "check_unfinished",
    "erase_key",
    "found_of_key",
    "rewrite_marked",
    "rewritten",
]

_MARK_OF_META: Final = frozenset({(b"meta", MARK)})


class Rewritten(NamedTuple):
    """A file that was written anew, with its size on disk before and after."""

    path: Path
    before: int
    after: int


def found_of_key(
    reader: StoreReader, key: bytes, scope: Scope, attribution: Attribution
) -> Erasure:
    """What a state directory has of an encoded key; nothing is removed.

    Raises:
        StoreError: the shard is lost, damaged, or of another store.
    """
    with reader.shard(shard_of(key, reader.view.manifest.shards)) as snapshot:
        if snapshot is None:
            return Erasure()
        return snapshot.read(
            lambda transaction, databases: find_erasure(
                transaction, databases, key, scope, attribution
            )
        )


def check_unfinished(erasure: Erasure, path: object) -> None:
    """Raise UsageError if there are unfinished runs that may be of the key or not."""
    if erasure.unknown_runs:
        number = len(erasure.unknown_runs)
        runs = "A run is" if number == 1 else f"{number:,} runs are"
        raise UsageError(
            f"{runs} unfinished in the shard of this key, and of which key is not on record.",
            hint=f"Let the job finish them (tamias resume {path}), and forget then; or remove what "
            "is on record of them with --drop-unfinished: their durable calls are made again.",
        )


def erase_key(
    state: StateDirectory,
    key: bytes,
    scope: Scope,
    attribution: Attribution,
    *,
    drop_unfinished: bool = False,
) -> Erasure:
    """Remove what a state directory has of an encoded key, in one commit; return what it was.

    The files still have the bytes, until `rewrite_marked`.

    Args:
        state: the state directory, locked by this process.
        key: the key.
        scope: what is to be removed.
        attribution: whose unfinished runs and outputs are.
        drop_unfinished: remove records of unfinished runs that may be of the key, too.

    Raises:
        UsageError: there are such runs.
        LeaseHeldError: a worker of an earlier launcher has not ended yet.
        StoreError: the shard cannot be written.
    """
    number = shard_of(key, state.manifest.shards)

    def erase(transaction: lmdb.Transaction[bytes], databases: Databases) -> Erasure:
        found = find_erasure(
            transaction, databases, key, scope, attribution, drop_unknown=drop_unfinished
        )
        if not drop_unfinished:
            check_unfinished(found, state.path)
        if found:
            found.write(transaction, databases)
        return found

    shard = Shard.acquire(
        state.layout.shard(number),
        number,
        state.manifest.durability,
        store=state.manifest.identity,
        create=False,
    )
    try:
        return shard.write(erase)
    finally:
        shard.close()


def rewrite_marked(state: StateDirectory) -> list[Rewritten]:
    """Write the files of shards anew from which data was removed, now or by an earlier command.

    Raises:
        StoreError: one cannot be written; it is written by the next command.
    """
    with StoreReader(state.path) as reader:
        marked = []
        for number in range(state.manifest.shards):
            with reader.shard(number) as snapshot:
                if snapshot is not None and snapshot.read(is_marked):
                    marked.append(state.layout.shard(number))
    return [rewritten(path) for path in marked]


def rewritten(path: Path) -> Rewritten:
    """Write one environment anew, and remove its mark."""
    before = disk_bytes(path)
    rewrite(path, _MARK_OF_META)
    return Rewritten(path, before, disk_bytes(path))
