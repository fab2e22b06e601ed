"""The shards that a worker owns: those it starts with, and those it takes and releases later.

The launcher moves a shard by asking one worker to release it and then another to take it. It asks
the first only when all inputs of the shard that it has sent are committed, so no run is left to
finish here. What may be left is a trim that waits for a commit, and journal records of runs that an
earlier worker could not finish; they stay in the shard for its next owner.

A shard is taken in the same way at the start and later: acquire its lease, announce the records in
its outbox, and report that. If another process still has the lease (a predecessor that takes long
to die), the worker tries again: at the start it waits, later it tries from time to time, since it
has other shards to work for.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final

from ...agent.errors import LeaseHeldError
from ...store.crashpoints import reach
from ...store.identity import StoreIdentity
from ...store.shard.field_ttl import FieldTtl
from ...store.shard.shard import Shard
from ...store.state.layout import StateLayout
from .. import wire
from ..long_term.all_shards import AllShards
from ..runs.group_commit import ShardWriter

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from ..engine.engine import Engine
    from ..limits.usage import Usage
    from ..runs.group_commit import GroupCommit
    from ..waiting.announcer import Announcer
    from .boot import Boot

_FIRST_PAUSE: Final = 0.0005
_LONGEST_PAUSE: Final = 0.02
"""Seconds between attempts to take a shard whose lease another process has."""
_WARN_SECONDS: Final = 5.0
"""After how long that is logged."""

_LOG: Final = logging.getLogger("tamias.worker")


class OwnedShards:
    """The shards of one worker.

    Attributes:
        writers: by number, the shards that it owns; shared with the engine.
    """

    def __init__(self, boot: Boot, loop: AbstractEventLoop, send: Callable[[bytes], None]) -> None:
        """`send` sends a message to the launcher."""
        self._boot = boot
        self._loop = loop
        self._send = send
        self.writers: dict[int, ShardWriter] = {}
        self.all_shards = AllShards(StateLayout(boot.state), boot.shards)
        """Those of other workers, too, for reading."""
        self.usage: Usage | None = None
        """Counts what calls have used; set by the worker."""
        self.field_ttl = FieldTtl(0)
        """How long fields of memory live; set by the worker."""

    def acquire_initial(self, numbers: Sequence[int]) -> None:
        """Acquire the shards to start with.

        Raises:
            LeaseHeldError: another process did not release one in time.
            StoreError: see `Shard.acquire`.
        """
        for number in numbers:
            self.writers[number] = self._open(number, wait=5.0)

    def announce(self) -> None:
        """Announce the records in the outboxes of all these shards."""
        reach("announce.before")
        for writer in self.writers.values():
            self._announce(writer)

    def attach(
        self,
        engine: Engine,
        group: GroupCommit,
        announcer: Announcer,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Set the engine and commits to use for moves; `failed` gets errors that end the worker."""
        self._engine = engine
        self._group = group
        self._announcer = announcer
        announcer.has_interrupted = engine.has_interrupted
        self._failed = failed

    # -- trims ---------------------------------------------------------------------------------

    def acknowledge(self, levels: dict[int, int]) -> None:
        """The sink has these shards' outbox records, up to the given sequences, for good."""
        for number, sequence in levels.items():
            writer = self.writers[number]
            reach("acknowledged")
            writer.batch.trim = sequence
            if writer.is_open or sequence % 64 == 0:
                self._group.join(writer)

    def commit_trims(self) -> None:
        """Commit all trims that wait for a commit, since no further input comes."""
        for writer in self.writers.values():
            if writer.batch.trim is not None:
                self._group.join(writer)

    # -- releasing ----------------------------------------------------------------------------

    def release(self, number: int) -> None:
        """Release a shard that has no run under way, and report when that is done."""
        writer = self.writers[number]
        self._group.join(writer)  # a trim may be waiting for a commit
        self._group.when_committed(self._close_and_report, writer)
        self._group.flush()

    def _close_and_report(self, writer: ShardWriter) -> None:
        try:
            reach("release.before")
            self._engine.forget_shard(writer)
            self._announcer.forget(writer.number)
            del self.writers[writer.number]
            if self.usage is not None:
                self.usage.forget(writer.number)
            writer.shard.close()
            reach("release.inside")
            self._send(wire.pack(wire.RELEASED, {"shard": writer.number}))
            reach("release.after")
        except BaseException as error:  # noqa: BLE001 (not the user's)
            self._failed(error)

    # -- taking --------------------------------------------------------------------------------

    def acquire_when_free(self, number: int) -> None:
        """Acquire a shard that no worker owns, or soon none, and report when that is done."""
        reach("take.before")
        self._try_acquire(number, _FIRST_PAUSE, time.monotonic() + _WARN_SECONDS)

    def _try_acquire(self, number: int, pause: float, warn_at: float) -> None:
        try:
            writer = self._open(number, wait=0.0)
        except LeaseHeldError as error:
            if time.monotonic() > warn_at:
                _LOG.warning("shard %d cannot be taken yet: %s", number, error)
                warn_at = float("inf")
            longer = min(2 * pause, _LONGEST_PAUSE)
            self._loop.call_later(pause, self._try_acquire, number, longer, warn_at)
            return
        except BaseException as error:  # noqa: BLE001 (not the user's)
            self._failed(error)
            return
        try:
            self.writers[number] = writer
            self._engine.add_shard(writer)
            reach("take.inside")
            self._announce(writer)
            self._send(wire.pack(wire.TAKEN, {"shard": number, **self._state([writer])}))
            self._announcer.add(writer.shard)
            reach("take.after")
        except BaseException as error:  # noqa: BLE001 (not the user's)
            self._failed(error)

    # -- both ----------------------------------------------------------------------------------

    def _open(self, number: int, wait: float) -> ShardWriter:
        directory = StateLayout(self._boot.state).shard(number)
        boot = self._boot
        identity = StoreIdentity(boot.store, boot.shards)
        shard = Shard.acquire(directory, number, boot.durability, wait, identity, create=False)
        try:
            shard.expire_fields(self.field_ttl)
        except BaseException:
            shard.close()
            raise
        return ShardWriter(shard, boot.generation)

    def _announce(self, writer: ShardWriter) -> None:
        for sequence, record in writer.shard.outbox():
            self._send(wire.pack_done([(writer.number, sequence, record)], wire.FOUND))
            reach("announce.inside")

    def watch(self) -> None:
        """Announce what is due in all these shards, from now on."""
        for writer in self.writers.values():
            self._announcer.add(writer.shard)

    def describe(self) -> dict[str, Any]:
        """Fields of the READY message: what the worker can do, and what it has."""
        can = {"waits": True, "streams": True}
        return {**can, "shards": sorted(self.writers), **self._state(self.writers.values())}

    def _state(self, writers: Iterable[ShardWriter]) -> dict[str, Any]:
        """What is to be known of shards that the worker has got, as fields of a message."""
        writers = list(writers)
        last = {str(writer.number): writer.shard.next_sequence - 1 for writer in writers}
        return {"sequences": last, **self._used(writers)}

    def _used(self, writers: Iterable[ShardWriter]) -> dict[str, Any]:
        """What calls of these shards have used, as a field of a message; nothing if none has."""
        if self.usage is None:
            return {}
        used = {}
        for writer in writers:
            self.usage.open_shard(writer)
            if totals := self.usage.totals(writer.number):
                used[str(writer.number)] = totals
        return {"usage": used} if used else {}

    def files(self) -> list[Path]:
        """Return the files of the shards, which the worker must have open."""
        return [writer.shard.directory / "data.mdb" for writer in self.writers.values()]

    def close(self) -> None:
        """Close all shards, which frees their leases."""
        self.all_shards.close()
        for writer in self.writers.values():
            writer.shard.close()
