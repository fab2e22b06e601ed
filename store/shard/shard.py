"""A shard: the durable state of a group of keys, written by one process at a time.

**One environment per shard.** LMDB allows one write transaction per environment at a time, across
all processes. With an environment per shard, workers commit at the same time and never wait for
each other; a shard moves to another worker by closing it here and opening it there, without
copying data; and damage is limited to one shard. The price is two files and a map per shard, which
needs address space but no memory.

**What a commit contains.** One LMDB transaction has the changes of memory, journal, outbox and
dead letters, deletions included. So an input is either not done, with its memory unchanged and
nothing in the outbox, or done, with its outputs kept until the launcher acknowledges that the sink
has them.
There is no state in between, so recovery has nothing to repair: it reads the journal and the outbox
and goes on. LMDB writes new pages beside the old ones and switches by writing one meta page, so
after a SIGKILL the store has the last commit, complete. Only with durability `machine` a commit
waits for the disk; otherwise the data is in the system's page cache, which outlives processes but
no power loss.

**Why no WRITEMAP.** It would save a copy per page, but map the store writable into a process that
runs users' extension modules. A stray write of one of these could then silently change the state of
any key. Without it, a stray write gets SIGSEGV, and the death of a worker does no harm.

**Why fencing on top of a kernel lease.** The lease (`lease.Lease`) keeps two processes from opening
a shard for writing, and dies with its holder. But a record lock can be lost by its living holder:
when code in that process closes another descriptor of the lock file, or when a network file system
loses it. So each acquisition raises the epoch in the shard, and each commit compares it inside its
own transaction, where no other process can write: a writer with an old epoch cannot change a byte.
"""

from __future__ import annotations

import os
import weakref
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypeVar

import lmdb

from ...agent.errors import FencedError, StoreFormatError
from .. import clock
from ..crashpoints import reach
from ..faults import lmdb_error, system_error
from ..files import sync_directories
from ..identity import check_present
from ..lease import Lease
from ..lmdb_env import Environment, open_writer
from ..sets.applying import FORMAT_WITH_SETS
from .applying import apply
from .expiring import first_due
from .field_reader import FieldReader
from .field_ttl import BEGIN, FIELD_TTL, SWEPT, FieldTtl
from .snapshot import Databases, Snapshot, misplaced

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from typing_extensions import Self

    from ..identity import StoreIdentity
    from ..records.dead_letters import DeadLetter
    from ..records.journal import JournalEntry
    from ..records.usage import Use
    from ..waiting.reading import WaitingView
    from .batch import Batch

__all__ = ["SHARD_FORMAT", "Durability", "Shard"]

Durability = Literal["none", "process", "machine"]
"""What a commit survives: nothing for sure, the death of any process, or power loss."""

SHARD_FORMAT = 1
"""The format of a new shard; a later one once something has waited in it, or been in a set."""

_ALL = 1 << 62
_T = TypeVar("_T")

_COMMITS_PER_CHECK = 1024
"""Commits between searches for slots of killed readers, whose snapshots keep old pages in use."""


class Shard:
    """One shard, open for writing.

    The life of a shard object:

    1. `acquire` takes the lease, opens the environment, clears reader slots that dead processes
       left behind, raises the epoch and commits it.
    2. The worker reads the journal and the outbox, to continue the work of its predecessor.
    3. It reads memory of keys, and commits batches.
    4. `close` releases the lease; if the process is killed, the kernel does.

    One thread at a time may commit, and any thread may read memory while it does: a reader sees the
    last commit that had returned, or a later one. In a forked child all methods raise `StoreError`.

    Attributes:
        directory: the shard's directory.
        number: its number in the store.
        epoch: the fencing epoch of this writer; higher than those of all writers before.
        next_sequence: the sequence number of the next outbox record; the first of a shard has 1.
        field_ttl: how long fields of memory live; None: for ever.
        horizon: the moment up to which expired things are removed (`field_ttl`), in milliseconds.
        first_due: when the first of what expires is due, in milliseconds; None if nothing expires.
        swept: the address that the sweep has come to (`field_ttl`); None if none is under way.
    """

    __slots__ = (
        "__weakref__",
        "_commits",
        "_databases",
        "_environment",
        "_epoch_bytes",
        "_lease",
        "directory",
        "epoch",
        "field_ttl",
        "first_due",
        "horizon",
        "next_sequence",
        "number",
        "reader",
        "swept",
    )

    def __init__(
        self,
        directory: Path,
        number: int,
        lease: Lease,
        environment: Environment,
        store: StoreIdentity | None = None,
        *,
        create: bool = True,
    ) -> None:
        self.directory = directory
        self.number = number
        self._lease = lease
        self._environment = environment
        self._commits = 0
        handle = environment.require()
        handle.reader_check()
        with handle.begin(write=True) as transaction:
            self._databases = Databases.open(handle, transaction, create=True)
            self.epoch = self._raise_epoch(transaction)
            if store is not None and not store.check(
                transaction, self._databases.meta, directory, required=not create
            ):
                store.record(transaction, self._databases.meta)
        environment.share_tables(self._databases)
        self.reader = FieldReader(partial(_snapshot_of, environment, self._databases), directory)
        reach("acquire.after")
        self._epoch_bytes = self.epoch.to_bytes(8, "big")
        self.next_sequence = self.reader.view().last_sequence() + 1
        self._read_expiry()
        _live.add(self)

    @classmethod
    def acquire(
        cls,
        directory: Path,
        number: int,
        durability: Durability = "process",
        wait: float = 5.0,
        store: StoreIdentity | None = None,
        *,
        create: bool = True,
    ) -> Self:
        """Become the writer of the shard in `directory`.

        Args:
            directory: the shard's own directory.
            number: the shard's number.
            durability: what a commit survives.
            wait: seconds to wait for the lease.
            store: the store that it must belong to; None for any.
            create: whether the shard is made if it is missing, and one that names no store becomes
                part of `store`.

        Raises:
            LeaseHeldError: another process kept the lease for all of `wait`.
            StoreFormatError: a newer version wrote the shard, or it is another shard than `number`.
            ForeignStoreError: it belongs to another store.
            StoreCorruptError: it is damaged, or missing and not to be made.
            StoreFullError, StoreUnwritableError: see there.
        """
        if not create:
            check_present(directory, f"Shard {number}")
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise system_error(error, directory) from error
        lease = Lease.acquire(directory / "lease", wait)
        reach("acquire.before")
        environment = None
        try:
            environment = open_writer(directory, sync=durability == "machine")
            shard = cls(directory, number, lease, environment, store, create=create)
            if durability == "machine":
                shard.sync()  # commits under another durability
                sync_directories(directory, directory.parent)
        except BaseException as error:
            if environment is not None:
                environment.close()
            lease.close()
            if isinstance(error, lmdb.Error):
                raise lmdb_error(error, directory) from error
            raise
        return shard

    def _raise_epoch(self, transaction: lmdb.Transaction[bytes]) -> int:
        """Check that this is the right shard in a known format, and return its new epoch."""
        meta = self._databases.meta

        def number(name: bytes, default: int) -> int:
            data = transaction.get(name, None, meta)
            return default if data is None else int.from_bytes(data, "big")

        version = number(b"format", SHARD_FORMAT)
        if not SHARD_FORMAT <= version <= FORMAT_WITH_SETS:
            raise StoreFormatError(
                f"{self.directory} has format {version}, this version of tamias knows "
                f"up to {FORMAT_WITH_SETS}.",
                hint="Use the version of tamias that wrote it.",
            )
        if number(b"shard", self.number) != self.number:
            raise misplaced(self.directory, number(b"shard", 0), self.number)
        epoch = number(b"epoch", 0) + 1
        values = {b"format": version, b"shard": self.number, b"epoch": epoch}
        for name, value in values.items():
            transaction.put(name, value.to_bytes(8, "big"), db=meta)
        reach("acquire.inside")
        return epoch

    # ------------------------------------------------------------------ expiry

    def _read_expiry(self) -> None:
        expiry = self.reader.view().expiry
        ttl = expiry.field_ttl()
        self.field_ttl = ttl if ttl is not None and ttl.milliseconds else None
        self.horizon = expiry.horizon()
        self.first_due = expiry.first_due()
        self.swept = expiry.swept()

    def expire_fields(self, wanted: FieldTtl) -> None:
        """Lay down how long fields live, from now on; nothing is written if that is so already.

        Raises:
            FencedError, StoreError: as `commit`.
        """
        known = self.read(lambda snapshot: snapshot.expiry.field_ttl())
        if (known or FieldTtl(0)).is_same_option(wanted):
            return
        now = clock.milliseconds()
        ttl = (known or FieldTtl(0)).replaced_by(wanted, now)
        if known is None:  # fields with times, in a shard that was restored, keep these
            ttl = replace(ttl, floor=0)
        values: dict[bytes, bytes] = {FIELD_TTL: ttl.encode()}
        if ttl.needs_sweep_after(known):
            values[SWEPT] = BEGIN
        if ttl.milliseconds:  # an older version could not read fields with times
            values[b"format"] = FORMAT_WITH_SETS.to_bytes(8, "big")
        self.reader.drop()
        try:
            with self._environment.require().begin(write=True) as transaction:
                self._check_epoch(transaction)
                for name, value in values.items():
                    transaction.put(name, value, db=self._databases.meta)
                reach("expire.settings")
        except lmdb.Error as error:
            raise lmdb_error(error, self.directory) from error
        self._read_expiry()

    # ------------------------------------------------------------------ reading

    def fields(self, prefix: bytes, limit: int = _ALL) -> tuple[dict[str, bytes], bool]:
        """Return up to `limit` memory fields of one key, and whether those are all.

        Args:
            prefix: the key's prefix (`keys.key_prefix`).
            limit: how many fields to return at most.

        Returns:
            Encoded values by path, and True if the key has no further fields.
        """
        return self.reader.fields(prefix, limit)

    def field(self, prefix: bytes, path: str) -> bytes | None:
        """Return the encoded value of one memory field, None if there is no such field."""
        try:
            with self.reader.lock:
                return self.reader.view().field(prefix, path)
        except lmdb.Error as error:
            raise lmdb_error(error, self.directory) from error

    def scan(self, prefix: bytes, under: str = "") -> list[tuple[str, bytes]]:
        """Return the memory field `under` and all below it, or all of the key if `under` is empty.

        The order is that of the paths' bytes; "a" has below it "a.b", but not "ab".
        """
        try:
            with self.reader.lock:
                return self.reader.view().scan(prefix, under)
        except lmdb.Error as error:
            raise lmdb_error(error, self.directory) from error

    def journal(self) -> dict[int, list[JournalEntry]]:
        """Return the journal records of unfinished runs by offset, each in order of replay."""
        with self.reader.lock:
            return self.reader.view().journal()

    def interrupted(self) -> dict[int, list[JournalEntry]]:
        """Return what `journal` does, without suspended runs."""
        with self.reader.lock:
            return self.reader.view().interrupted()

    def journal_of(self, number: int) -> list[JournalEntry]:
        """Return the journal records of one run, in order of replay."""
        with self.reader.lock:
            return self.reader.view().journal_of(number)

    def read_waiting(self, read: Callable[[WaitingView], _T]) -> _T:
        """Return what `read` returns when it is given what waits in the shard."""
        try:
            with self.reader.lock:
                return read(self.reader.view().waiting)
        except lmdb.Error as error:
            raise lmdb_error(error, self.directory) from error

    def read(self, read: Callable[[Snapshot], _T]) -> _T:
        """Return what `read` returns when it is given the state of the last commit."""
        try:
            with self.reader.lock:
                return read(self.reader.view())
        except lmdb.Error as error:
            raise lmdb_error(error, self.directory) from error

    def usage_totals(self) -> dict[str, Use]:
        """Return what calls have used, by limit, over all keys."""
        with self.reader.lock:
            return self.reader.view().usage_totals()

    def usage_of(self, name: bytes) -> Use:
        """Return one sum of what calls have used (`records.usage`)."""
        with self.reader.lock:
            return self.reader.view().usage_of(name)

    def outbox(self) -> list[tuple[int, bytes]]:
        """Return the outbox records with their sequence numbers, ascending."""
        with self.reader.lock:
            return self.reader.view().outbox()

    def dead_letters(self) -> list[DeadLetter]:
        """Return the dead letters by ascending offset."""
        with self.reader.lock:
            return list(self.reader.view().dead_letters())

    def dead_letter(self, offset: int) -> DeadLetter | None:
        """Return the dead letter of one input, None if there is none."""
        with self.reader.lock:
            return self.reader.view().dead_letter(offset)

    # ------------------------------------------------------------------ writing

    def commit(self, batch: Batch) -> int | None:
        """Write a batch atomically.

        On return it survives what the shard's durability names.

        Returns:
            The sequence number of the outbox record, None if the batch has none.

        Raises:
            FencedError: another process has acquired the shard since; nothing was written, and
                this object cannot be used any more.
            StoreFullError: no room; nothing was written, and the same batch can be tried again.
            StoreError: another failure of disk or LMDB; nothing was written.
        """
        self.write(lambda transaction, databases: self._apply(transaction, databases, batch))
        if batch.removal is not None:
            self.horizon = max(self.horizon, batch.removal.until)
        if batch.swept is not None:
            self.swept = batch.swept or None
        if batch.outbox is None:
            return None
        sequence = self.next_sequence
        self.next_sequence = sequence + 1
        return sequence

    def _apply(
        self, transaction: lmdb.Transaction[bytes], databases: Databases, batch: Batch
    ) -> None:
        apply(transaction, databases, batch, self.next_sequence)
        if batch.expiring or batch.removal is not None or batch.sets:
            self.first_due = first_due(transaction, databases.expiring)

    def write(self, change: Callable[[lmdb.Transaction[bytes], Databases], _T]) -> _T:
        """Return what `change` returns; what it writes becomes one commit, and raises its errors.

        It is given a write transaction, which it leaves open, and the databases.
        """
        reach("commit.before")
        handle = self._environment.require()
        # An open snapshot would keep pages in use that are freed from here on.
        self.reader.drop()
        self._commits += 1
        try:
            if self._commits % _COMMITS_PER_CHECK == 0:
                handle.reader_check()
            transaction = handle.begin(write=True)
            try:
                self._check_epoch(transaction)
                result = change(transaction, self._databases)
                reach("commit.inside")
            except BaseException:
                transaction.abort()
                raise
            transaction.commit()
        except lmdb.Error as error:
            raise lmdb_error(error, self.directory) from error
        reach("commit.after")
        self.reader.drop()  # one that another thread has opened meanwhile is out of date
        return result

    def _check_epoch(self, transaction: lmdb.Transaction[bytes]) -> None:
        if transaction.get(b"epoch", None, self._databases.meta) != self._epoch_bytes:
            raise FencedError(
                f"Another process has taken {self.directory} over: epoch {self.epoch} is past, "
                "nothing was written.",
                hint="Acquire the shard again to go on.",
            )

    def map_use(self) -> tuple[int, int]:
        """How many bytes of the map are used, free pages among them included, and its size."""
        handle = self._environment.require()
        info = handle.info()
        return (info["last_pgno"] + 1) * handle.stat()["psize"], info["map_size"]

    def sync(self) -> None:
        """Write all commits to the disk, with any durability."""
        try:
            self._environment.require().sync(True)
        except lmdb.Error as error:
            raise lmdb_error(error, self.directory) from error

    def close(self) -> None:
        """Close the environment and release the lease; may be called again."""
        self.reader.drop()
        self._environment.close()
        self._lease.close()

    def __repr__(self) -> str:
        return f"<Shard {self.number} epoch {self.epoch} in {self.directory}>"


def _snapshot_of(environment: Environment, databases: Databases) -> Snapshot:
    return Snapshot(environment.require(), databases)


_live: weakref.WeakSet[Shard] = weakref.WeakSet()
_inherited: list[Snapshot] = []


def _forget_after_fork() -> None:
    """Keep a forked child from ending its parent's transactions; see `lmdb_env`."""
    for shard in _live:
        snapshot = shard.reader.forget()
        if snapshot is not None:
            _inherited.append(snapshot)
        shard.reader.lock = Lock()  # another thread may have held it


os.register_at_fork(after_in_child=_forget_after_fork)
