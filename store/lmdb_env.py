"""Opens LMDB environments: flags, sharing within a process, and forks.

LMDB's locks belong to the process, so a process must not open one environment twice: closing one
would drop the locks of the other. A worker may read its own shards, and a launcher its own store,
so readers share an environment that is already open.

A forked child must neither use nor close its parent's environments: ending a read transaction in
the child would clear the parent's slot in the shared reader table. So a child drops them all, and
using an inherited handle is an error.
"""

from __future__ import annotations

import errno
import os
import struct
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import lmdb

from ..agent.errors import StoreCorruptError, StoreError, StoreUnwritableError
from .faults import free_bytes, full, lmdb_error, system_error
from .lease import Lease

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Environment", "data_file", "has_data", "open_reader", "open_writer"]

MAX_READERS = 1024
LOCK_FILE = "lock.mdb"
"""LMDB's table of readers. A link to nowhere in its place: nobody can open the environment."""
_MAX_DATABASES = 32
_MAP_SIZES = tuple(1 << bits for bits in (40, 38, 36, 34, 32, 30))
"""Sizes of the sparse map, in bytes, in the order to try; a smaller one is used only if the address
space of the process is limited. They are so large that no process has to resize its map."""

_LOCK_FILE_SIZE = 17 << 12
"""Bytes reserved for the reader table: `MAX_READERS` slots of 64 bytes, and its header."""
_LEAST_FREE = 1 << 18
"""Bytes that must be free before an environment is created."""
_PAGES_NEVER_WRITTEN = 256
_META = struct.Struct("@NNN")
"""In the page of LMDB that says what is valid: root of the table of tables, last page, commit."""
_META_AT = 128
_TABLE = struct.Struct("@8xNNN8xN")
"""What the table of tables says of one: pages of three kinds, and the root."""
_NO_ROOT = (1 << 8 * struct.calcsize("N")) - 1
_REPLACED_WITHIN = 2.0
_PAUSE = 0.002
"""Seconds for which readers wait while files are replaced; between two looks."""
_USED_WITHIN = 60.0
"""Seconds after which what a thread reads is closed nevertheless."""


class Environment:
    """A share in an open LMDB environment.

    Attributes:
        path: its directory.
        handle: the LMDB environment; None once closed or in a forked child.
        yields: whether it is closed when this process opens the environment for writing.
    """

    __slots__ = ("_shares", "_tables", "_uses", "_writable", "handle", "path", "yields")

    def __init__(
        self, path: Path, handle: lmdb.Environment, *, writable: bool, yields: bool = False
    ) -> None:
        self.path = path
        self.handle: lmdb.Environment | None = handle
        self.yields = yields
        self._writable = writable
        self._uses = 0
        self._tables: Any = None
        self._shares: list[Environment] = []
        """All shares in the environment, this one among them; see `_register`."""

    def require(self) -> lmdb.Environment:
        """Return the handle.

        Raises:
            StoreError: it was closed, or belongs to the process that forked this one.
        """
        if self.handle is None:
            raise StoreError(
                f"{self.path} is not open in this process.",
                hint="Open it here: handles of the store cannot be used once closed, nor be "
                "handed to a forked child.",
            )
        return self.handle

    def share_tables(self, tables: Any) -> None:
        """Let this process's readers use the tables that its writer has opened.

        LMDB does not allow two threads to open tables of one environment at the same time.
        """
        with _guard:
            self._tables = tables
            _guard.notify_all()

    def shared_tables(self) -> Any:
        """The tables that this process's writer has opened; None if it has no writer."""
        with _guard:
            if not self._writers():
                return None
            _guard.wait_for(lambda: all(share._tables for share in self._writers()), _USED_WITHIN)  # noqa: SLF001
            found = [share._tables for share in self._writers()]  # noqa: SLF001
        return found[0] if found else None

    def _writers(self) -> list[Environment]:
        return [share for share in self._shares if share._writable]  # noqa: SLF001

    def begin_use(self) -> lmdb.Environment:
        """Return the handle; one that yields stays open until `end_use` is called as often.

        Raises:
            StoreError: as `require`.
        """
        if not self.yields:
            return self.require()
        with _guard:
            handle = self.require()
            self._uses += 1
        return handle

    def end_use(self) -> None:
        """Let the environment yield again."""
        if self.yields:
            with _guard:
                self._uses -= 1
                _guard.notify_all()

    def close(self) -> None:
        """Close the share; the last one closes the environment."""
        with _guard:
            _wait_for_users([self])
            self._close()

    def _close(self) -> None:
        handle, self.handle = self.handle, None
        if handle is None:
            return
        for identity, shares in list(_open.items()):
            if self in shares:
                shares.remove(self)
                if not shares:
                    del _open[identity]
                    handle.close()
        _guard.notify_all()


def _wait_for_users(shares: list[Environment]) -> None:
    """Wait until no thread uses these shares: what it reads must not be unmapped."""
    _guard.wait_for(lambda: not any(share._uses for share in shares), _USED_WITHIN)  # noqa: SLF001


def open_writer(path: Path, *, sync: bool) -> Environment:
    """Open the environment in the directory `path` for writing, creating it if need be.

    The caller must hold the lease that makes it the only writer.

    Args:
        path: an existing directory.
        sync: whether a commit returns only when it is on disk.

    Raises:
        StoreFullError: there is no room to create it.
        StoreUnwritableError: the directory is read-only.
        StoreError: this process has it open already, or LMDB cannot open it.
    """
    with _guard:
        shares = _open.get(data_file(path), [])
        if all(share.yields for share in shares):
            _wait_for_users(shares)
            for share in list(shares):
                share._close()  # noqa: SLF001 (of this module)
        if data_file(path) in _open:
            raise StoreError(
                f"This process has {path} open already.", hint="Close that reader or writer first."
            )
        _reserve(path)
        handle = _open_handle(path, readonly=False, sync=sync, lock=True)
        _check_length(path, handle, extend=True)
        environment = Environment(path, handle, writable=True)
        _register(path, environment)
        return environment


def has_data(path: Path) -> bool:
    """Return whether there is an environment in `path`; an empty file is no data."""
    try:
        return (path / "data.mdb").stat().st_size > 0
    except FileNotFoundError:
        return False


def open_reader(path: Path, *, yields: bool = False, locked: bool = True) -> Environment:
    """Open the environment in the directory `path` for reading, beside its writer.

    With `yields`, it is closed if this process opens it for writing later.

    If the reader table cannot be written (a read-only file system, another user's store), the
    environment is read without an entry there; that is safe if no process writes to it. Without
    `locked`, that is wanted: no byte of the directory changes.

    Raises:
        StoreError: there is none, or LMDB cannot open it.
        StoreUnwritableError: it is in use by another user's process.
    """
    with _guard:
        shares = _open.get(data_file(path))
        if shares:
            environment = Environment(path, shares[0].require(), writable=False, yields=yields)
            environment._shares = shares  # noqa: SLF001 (of this module)
            shares.append(environment)
            return environment
        handle = _open_for_reading(path, locked=locked)
        _check_length(path, handle, extend=False)
        environment = Environment(path, handle, writable=False, yields=yields)
        _register(path, environment)
        return environment


def _reserve(path: Path) -> None:
    """Allocate the reader table's file, or raise an error where LMDB would get SIGBUS.

    LMDB writes to that file through a map. If the disk is full when a page of it is first touched,
    the kernel can report that only by a signal.
    """
    lock = path / LOCK_FILE
    try:
        if lock.is_symlink():  # left by a process that was killed in `at_rest.rewriting`
            lock.unlink()
        if lock.exists() and lock.stat().st_blocks * 512 >= _LOCK_FILE_SIZE:
            return
        if not (path / "data.mdb").exists() and free_bytes(path) < _LEAST_FREE:
            raise full(path)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, _LOCK_FILE_SIZE)
            elif os.fstat(descriptor).st_size == 0:
                os.write(descriptor, bytes(_LOCK_FILE_SIZE))
        finally:
            # This would drop locks of this process on the file, but it has none: see `_open`.
            os.close(descriptor)
    except OSError as error:
        raise system_error(error, path) from error


def _check_length(path: Path, handle: lmdb.Environment, *, extend: bool) -> None:
    """Raise an error for a file that is too short, where reading its end would cause SIGBUS.

    A few pages at the end may be missing in a sound file: pages that were allocated and freed
    within one commit are never written. The writer adds them.
    """
    try:
        page = handle.stat()["psize"]
        data = path / "data.mdb"
        end = page * (handle.info()["last_pgno"] + 1)
        size = data.stat().st_size
        is_cut = end - size > page * _PAGES_NEVER_WRITTEN
        if size < end and not is_cut:
            needed = page * _pages_needed(data, handle, page, size // page)
            size = data.stat().st_size  # a writer may have added some
            is_cut = size < needed
            if extend and not is_cut:
                os.truncate(data, end)
    except OSError as error:
        handle.close()
        raise system_error(error, path) from error
    if is_cut:
        handle.close()
        raise StoreCorruptError(
            f"{data} is cut short: {size} bytes of {end} are left.",
            hint="Restore the state directory from a copy.",
        )


def _pages_needed(data: Path, handle: lmdb.Environment, page: int, there: int) -> int:
    """How many pages a file must have at least, by what LMDB says of its tables.

    These are the pages up to the root of each table, and as many as all tables have. `there` are
    so many; what is behind them is not read.
    """
    with data.open("rb") as file:
        heads = [file.read(page), file.read(page)]
    numbers = [_META.unpack_from(head, _META_AT) for head in heads]
    root: int = max((commit, root) for root, _, commit in numbers)[1]
    if _NO_ROOT > root >= there:
        return root + 1
    if handle.stat()["depth"] != 1:  # there are few tables, so all are in the root
        return 0
    used, last = 3, root
    with handle.begin() as transaction, transaction.cursor() as tables:
        for value in tables.iternext(keys=False):
            if len(value) == _TABLE.size:
                *pages, root = _TABLE.unpack(value)
                used += sum(pages)
                last = max(last, 0 if root == _NO_ROOT else root)
    return max(used, last + 1)


def _lockable(path: Path) -> bool:
    """Return whether a reader of `path` can use the reader table."""
    if not has_data(path):
        raise StoreError(f"{path} holds no data.", hint="Give the path of a state directory.")
    try:
        os.close(os.open(path / LOCK_FILE, os.O_RDWR))
    except OSError as error:
        if (path / LOCK_FILE).is_symlink():
            return False
        if error.errno != errno.EROFS and Lease.is_held(path / "lease"):
            raise StoreUnwritableError(
                f"{path} is in use by a process of another user, and this user may not enter itself"
                f" in its table of readers ({LOCK_FILE}).",
                hint="Use the account of that process, give this one the right to write that file, "
                "or read while nothing runs.",
            ) from error
        return False
    return True


def _open_for_reading(path: Path, *, locked: bool) -> lmdb.Environment:
    """Open an environment whose files are not replaced meanwhile (`at_rest.rewriting`).

    LMDB opens two files, one after the other. They have to belong together.
    """
    deadline = time.monotonic() + _REPLACED_WITHIN
    while True:
        before = data_file(path)
        if (path / LOCK_FILE).is_symlink():
            if Lease.is_held(path / "lease"):
                if time.monotonic() > deadline:
                    raise StoreError(f"{path} is being written anew.", hint="Try again later.")
                time.sleep(_PAUSE)
                continue
            with suppress(StoreError):  # this user may only read, and so may open it without a lock
                _reserve(path)
        try:
            handle = _open_handle(path, readonly=True, sync=False, lock=_lockable(path) and locked)
        except StoreError:
            if _is_replaced(path, before) and time.monotonic() < deadline:
                continue
            raise
        if not _is_replaced(path, before) or time.monotonic() > deadline:
            return handle
        handle.close()


def _is_replaced(path: Path, before: tuple[int, int] | None) -> bool:
    """Whether an environment's files are being replaced, or were, since its data was `before`."""
    return data_file(path) != before or (path / LOCK_FILE).is_symlink()


def _open_handle(path: Path, *, readonly: bool, sync: bool, lock: bool) -> lmdb.Environment:
    problem: lmdb.Error | None = None
    for size in _MAP_SIZES:
        try:
            return lmdb.open(
                str(path),
                map_size=size,
                max_dbs=_MAX_DATABASES,
                max_readers=MAX_READERS,
                max_spare_txns=2,
                readonly=readonly,
                create=not readonly,
                lock=lock,
                sync=sync,
                metasync=sync,
                readahead=False,
                mode=0o644,
            )
        except lmdb.MemoryError as error:
            problem = error
        except lmdb.Error as error:
            if _inherited and "already open in this process" in str(error):
                raise StoreError(
                    f"{path} was open in the process that this one was forked from, so it cannot"
                    " be opened here.",
                    hint="Fork first, and open it in each process; or start processes by spawn.",
                ) from error
            raise lmdb_error(error, path) from error
    raise StoreError(
        f"{path} cannot be mapped into memory ({problem}).",
        hint="Lift the limit on this process's address space (ulimit -v).",
    )


_guard = threading.Condition(threading.Lock())
_open: dict[tuple[int, int] | None, list[Environment]] = {}
_inherited: list[lmdb.Environment] = []


def _register(path: Path, environment: Environment) -> None:
    _open[data_file(path)] = environment._shares = [environment]  # noqa: SLF001


def data_file(path: Path | str) -> tuple[int, int] | None:
    """What tells the file of an environment from one that takes its place; None without a file."""
    try:
        status = os.stat(f"{path}/data.mdb")  # noqa: PTH116 (each read of a shard asks for it)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _forget_after_fork() -> None:
    global _guard  # noqa: PLW0603 (a thread of the parent may hold it)
    _guard = threading.Condition(threading.Lock())
    for shares in _open.values():
        for share in shares:
            if share.handle is not None:
                _inherited.append(share.handle)
            share.handle = None
        shares.clear()
    _open.clear()


os.register_at_fork(after_in_child=_forget_after_fork)
