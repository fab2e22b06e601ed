"""Group commit: many runs' memory, outputs and progress in one transaction per shard.

Runs that end, and records that must be on disk before something goes on, gather in the open group.
`flush` commits the group and then publishes it: outputs are sent only after their transaction, and
runs that wait for a record go on. Groups form by themselves: while one batch of inputs is worked
through, or one commit is under way, everything that finishes joins the next group.

With durability `machine` a commit waits for the disk, so it runs on a thread, and the loop goes on
with other keys; groups are still committed one after the other. Otherwise a commit costs some
microseconds and is done in place.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ...agent.errors import StoreError
from ...store.crashpoints import reach
from ...store.encoding.keys import GROUP, group_of
from ...store.records.outbox import encode_outputs
from ...store.shard.batch import Batch
from ..wire import pack_done

if TYPE_CHECKING:
    import asyncio
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from concurrent.futures import Future

    from ...store.shard.shard import Shard

    Waiter = tuple[Callable[[Any], None], Any]
    Records = list[tuple[int, int, bytes]]


_SOON: Final = 0.005
"""Seconds within which a loop comes to what is ready, unless something holds it."""


class ChangedLane(Protocol):
    """A lane with uncommitted memory changes."""

    def write_changes(self, batch: Batch) -> None:
        """Move them into `batch`."""


class GrowingLane(Protocol):
    """A lane that keeps what it reads."""

    def keep_record(self, record: bytes) -> None:
        """Count what it has read."""


class Preparation(Protocol):
    """Prepares commits."""

    def prepare(self, writer: ShardWriter) -> None:
        """Add to the next commit of a shard."""


class ShardWriter:
    """A shard, and the content of its next commit."""

    __slots__ = (
        "batch",
        "changed",
        "counts",
        "failed",
        "fetched",
        "generation",
        "groups",
        "grown",
        "is_open",
        "may_have_queues",
        "number",
        "offsets",
        "outputs",
        "over",
        "removals",
        "shard",
        "suspended",
        "usual",
        "usual_end",
        "usual_path",
    )

    def __init__(self, shard: Shard, generation: int = 0) -> None:
        self.shard = shard
        self.number = shard.number
        self.generation = generation
        self.is_open = False
        """Whether this shard has joined the open group."""
        self.may_have_queues = False
        """Whether keys of this shard may be held (`owned_runs`)."""
        self.removals: Preparation | None = None
        """Has commits remove what has expired (`removals`)."""
        self.grown = 0
        """By how many bytes lanes have grown since `Lanes` has asked."""
        self.fetched: list[tuple[GrowingLane, bytes]] = []
        """Records that lanes have read since then and keep, after they were opened."""
        self.usual_path = ""
        """The one field of keys that have one."""
        self.usual_end = b""
        """The end of its address, behind the key's prefix."""
        self.usual = 0
        """Above 0 if most keys have this field alone (`Lane`)."""
        self._renew()

    def _renew(self) -> None:
        self.batch = Batch()
        self.changed: list[ChangedLane] = []
        """Lanes with changes that this batch is to write."""
        self.offsets: list[int] = []
        self.counts: list[int] = []
        self.outputs: list[bytes] = []
        self.failed: list[int] = []
        self.suspended: list[int] = []
        self.groups: list[int] = []
        """The key group of each owned run in `offsets`, if keys have groups."""
        self.over: list[int] = []
        """Numbers of owned runs that have ended, or are suspended anew."""

    def add_owned(self, number: int, key: bytes) -> None:
        """Add an owned run of a key to the progress; the caller adds the count of its outputs."""
        self.offsets.append(number)
        if key[:1] == GROUP:
            self.groups.append(group_of(key))

    def seal(self) -> tuple[Batch, list[int]]:
        """The batch to commit, with the owned runs that are over; new ones take their place."""
        batch = self.batch
        for lane in self.changed:
            lane.write_changes(batch)
        if self.removals is not None and (
            self.shard.first_due is not None or self.shard.swept is not None
        ):
            self.removals.prepare(self)
        if self.offsets:
            batch.outbox = encode_outputs(
                self.offsets,
                self.counts,
                self.outputs,
                self.generation,
                failed=self.failed,
                suspended=self.suspended,
                groups=self.groups,
            )
        over = self.over
        self.is_open = False
        self._renew()
        return batch, over


class _SealedGroup(NamedTuple):
    """A group that is to be committed."""

    batches: list[tuple[ShardWriter, Batch, list[int]]]
    """Each with the owned runs that are over."""
    waiters: list[Waiter]
    runs: int
    is_whole: bool = True
    """Whether it is all of the open group, and not one shard's part of it."""


class _CommittedGroup(NamedTuple):
    """A group that is committed and not published yet."""

    group: _SealedGroup
    records: Records
    seconds: float


class GroupCommit:
    """Commits the shard writers' batches (see the module's text)."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        loop: AbstractEventLoop,
        *,
        threaded: bool,
        failed: Callable[[BaseException], None],
    ) -> None:
        """`send` gets a `D` message; `failed` an error after which no commit is possible."""
        self._send = send
        self._loop = loop
        self._failed = failed
        self._commit_thread = ThreadPoolExecutor(1, "tamias-commit") if threaded else None
        self._writers: list[ShardWriter] = []
        self._waiters: list[Waiter] = []
        self._unpublished: deque[_CommittedGroup] = deque()
        self.on_commit: Callable[[int, int, int, float], None] | None = None
        """Called with each group that was committed: its runs, shards, bytes, seconds."""
        self.on_waiting: Callable[[int, list[int]], None] | None = None
        """Called with the number of each shard where a commit has changed what waits, and with the
        owned runs that are over."""
        self._scheduled = False
        self._scheduled_at = 0.0
        self._under_way: Future[None] | None = None
        self._broken: BaseException | None = None
        """The error after which no commit is made."""
        self.events = 0
        """Runs that have ended."""
        self.group = 1
        """Number of the open group; all groups below `committed` are on disk and published."""
        self.committed = 1

    def join(self, writer: ShardWriter) -> None:
        """Make `writer` part of the open group."""
        if not writer.is_open:
            writer.is_open = True
            self._writers.append(writer)

    def when_committed(self, callback: Callable[[Any], None], argument: Any) -> None:
        """Call back once the open group is committed."""
        self._waiters.append((callback, argument))

    def recorded(self) -> asyncio.Future[None]:
        """A future that is done when the open group, which closes soon, is committed."""
        future = self._loop.create_future()
        self.when_committed(_set_done, future)
        self.schedule()
        return future

    def schedule(self) -> None:
        """Flush as soon as the loop has run what is ready now."""
        if not self._scheduled and (self._writers or self._waiters):
            self._scheduled = True
            self._scheduled_at = time.perf_counter()
            self._loop.call_soon(self._flush_scheduled)

    @property
    def is_overdue(self) -> bool:
        """Whether the loop has not come to what was scheduled for some milliseconds."""
        return self._scheduled and time.perf_counter() - self._scheduled_at > _SOON

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Commit the open group, now or as soon as the one under way is through."""
        if self._commit_thread is None:
            while (self._writers or self._waiters) and self._broken is None:
                try:
                    self._commit(self._seal())
                except BaseException as error:  # noqa: BLE001 (reported as it is)
                    self.fail(error)
                    return
                self._publish()
        elif self._broken is None and self._under_way is None and (self._writers or self._waiters):
            self._under_way = self._commit_thread.submit(self._commit, self._seal())
            self._under_way.add_done_callback(
                lambda future: self._loop.call_soon_threadsafe(self._finish, future)
            )

    def flush_in_place(self, writer: ShardWriter) -> None:
        """Commit what one shard has in the open group before returning; the loop publishes it.

        For a synchronous durable call, which holds the loop's thread, and waits for nothing of
        other shards: their batches go on growing. If something waits for the open group, all of it
        is committed, because what waits is to go on before what is announced of its shard.

        Raises:
            StoreError: it cannot be committed, or an earlier group could not.
        """
        if self._under_way is not None:
            error = self._under_way.exception()  # waits; `_finish` publishes the group
            if error is not None:
                self.fail(error)
        if self._broken is not None:
            raise self._broken
        if not writer.is_open and not self._waiters:
            return
        try:
            self._commit(self._seal() if self._waiters else self._seal_part(writer))
        except BaseException as error:
            self.fail(error)
            raise
        self._loop.call_soon(self._publish)

    def fail(self, error: BaseException) -> None:
        """Make no further commit, and report the error once.

        A later group may build upon what an earlier one has lost, so none may follow it.
        """
        if self._broken is None:
            self._broken = error
            self._failed(error)

    def abandon(self) -> None:
        """Make no further commit, and report nothing."""
        self._broken = self._broken or StoreError("The worker has been given up.")

    def _finish(self, future: Future[None]) -> None:
        self._under_way = None
        error = future.exception()
        if error is not None:
            self.fail(error)
            return
        self._publish()
        self.flush()

    def _seal(self) -> _SealedGroup:
        runs = sum([len(writer.offsets) for writer in self._writers])
        batches = [(writer, *writer.seal()) for writer in self._writers]
        sealed = _SealedGroup(batches, self._waiters, runs)
        self.events += runs
        self._writers = []
        self._waiters = []
        self.group += 1
        return sealed

    def _seal_part(self, writer: ShardWriter) -> _SealedGroup:
        """What one shard has in the open group."""
        runs = len(writer.offsets)
        self.events += runs
        self._writers.remove(writer)
        return _SealedGroup([(writer, *writer.seal())], [], runs, is_whole=False)

    def _commit(self, sealed: _SealedGroup) -> None:
        records: Records = []
        began = time.perf_counter()
        for writer, batch, _ in sealed.batches:
            sequence = writer.shard.commit(batch)
            if sequence is not None and batch.outbox is not None:
                records.append((writer.number, sequence, batch.outbox))
        seconds = time.perf_counter() - began
        # Queued by the thread that commits, so that groups are published in the order of commits.
        self._unpublished.append(_CommittedGroup(sealed, records, seconds))

    def _publish(self) -> None:
        while self._unpublished:
            (batches, waiters, runs, is_whole), records, seconds = self._unpublished.popleft()
            self.committed += is_whole
            for _, batch, _ in batches:
                for _, change in batch.sets:
                    change.forget()
            if records:
                reach("send.before")
                self._send(pack_done(records))
                reach("send.after")
            if self.on_commit is not None:
                written = sum(batch.size() for _, batch, _ in batches)
                self.on_commit(runs, len(batches), written, seconds)
            for callback, argument in waiters:
                callback(argument)
            if self.on_waiting is not None:
                for writer, batch, over in batches:
                    if batch.waiting or over:
                        self.on_waiting(writer.number, over)

    @property
    def is_broken(self) -> bool:
        """Whether there will be no further commit."""
        return self._broken is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is open, waiting, under way or unpublished."""
        return not (self._writers or self._waiters or self._under_way or self._unpublished)

    def close(self) -> None:
        """Release the thread."""
        if self._commit_thread is not None:
            self._commit_thread.shutdown(wait=True)


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
