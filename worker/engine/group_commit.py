"""Group commit: many runs' memory, outputs and progress in one transaction per shard.

Runs that end, and records that must be on disk before something goes on, gather in the open group.
`flush` commits the group, then lets the world see it: outputs leave only after their
transaction, and whoever waited for a record goes on. Groups form by themselves: while one
batch of inputs is worked through, or one commit is under way, everything that finishes joins
the next group.

With durability `machine` a commit waits for the disk, so it runs on a thread and the loop goes on
with other keys meanwhile; groups are still committed one after the other. Otherwise a commit
costs some microseconds and is done in place.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ...store.crashpoints import reach
from ...store.records.outbox import decode_outputs, encode_outputs
from ...store.shard.batch import Batch
from ..wire import pack_done

if TYPE_CHECKING:
    import asyncio
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from concurrent.futures import Future

    from ...store.shard.shard import Shard

    Waiter = tuple[Callable[[Any], None], Any]
    Sealed = list[tuple["ShardWriter", Batch]]
    Records = list[tuple[int, int, bytes]]


class Changed(Protocol):
    """A lane with uncommitted memory changes."""

    def write_changes(self, batch: Batch) -> None:
        """Put them into `batch`, and have none any more."""


class ShardWriter:
    """A shard and what goes into its next commit."""

    __slots__ = (
        "batch",
        "changed",
        "counts",
        "failed",
        "generation",
        "is_open",
        "number",
        "offsets",
        "outputs",
        "shard",
    )

    def __init__(self, shard: Shard, generation: int = 0) -> None:
        self.shard = shard
        self.number = shard.number
        self.generation = generation
        self.is_open = False
        """Whether this shard has joined the open group."""
        self._renew()

    def _renew(self) -> None:
        self.batch = Batch()
        self.changed: list[Changed] = []
        """Lanes with changes that this batch is to write."""
        self.offsets: list[int] = []
        self.counts: list[int] = []
        self.outputs: list[bytes] = []
        self.failed: list[int] = []

    def seal(self) -> Batch:
        """The batch to commit; a new one takes its place."""
        batch = self.batch
        for lane in self.changed:
            lane.write_changes(batch)
        if self.offsets:
            batch.outbox = encode_outputs(
                self.offsets, self.counts, self.outputs, self.generation, self.failed
            )
        self.is_open = False
        self._renew()
        return batch


class _Landed(NamedTuple):
    """A group that is committed and not published yet."""

    records: Records
    waiters: list[Waiter]
    shards: int
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
        """`send` takes a `done` message; `failed` an error no commit can survive."""
        self._send = send
        self._loop = loop
        self._failed = failed
        self._thread = ThreadPoolExecutor(1, "tamias-commit") if threaded else None
        self._writers: list[ShardWriter] = []
        self._waiters: list[Waiter] = []
        self._landed: deque[_Landed] = deque()
        self.on_commit: Callable[[int, int, float], None] | None = None
        """Called with each group that was committed: its runs, its shards, seconds."""
        self._scheduled = False
        self._under_way: Future[None] | None = None
        self._broken: BaseException | None = None
        """Why there will be no further commit."""
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
            self._loop.call_soon(self._flush_scheduled)

    def _flush_scheduled(self) -> None:
        self._scheduled = False
        self.flush()

    def flush(self) -> None:
        """Commit the open group, now or as soon as the one under way is through."""
        if self._thread is None:
            while (self._writers or self._waiters) and self._broken is None:
                try:
                    self._commit(*self._seal())
                except BaseException as error:  # noqa: BLE001 (handed over whole)
                    self.fail(error)
                    return
                self._publish()
        elif self._broken is None and self._under_way is None and (self._writers or self._waiters):
            self._under_way = self._thread.submit(self._commit, *self._seal())
            self._under_way.add_done_callback(
                lambda future: self._loop.call_soon_threadsafe(self._finish, future)
            )

    def flush_in_place(self) -> None:
        """Commit the open group before returning; those who waited go on later, from the loop.

        For a synchronous durable call, which holds the loop's thread.

        Raises:
            StoreError: it cannot be committed, or an earlier group could not.
        """
        if self._under_way is not None:
            error = self._under_way.exception()  # waits; `_finish` publishes what came of it
            if error is not None:
                self.fail(error)
        if self._broken is not None:
            raise self._broken
        try:
            self._commit(*self._seal())
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

    def _finish(self, future: Future[None]) -> None:
        self._under_way = None
        error = future.exception()
        if error is not None:
            self.fail(error)
            return
        self._publish()
        self.flush()

    def _seal(self) -> tuple[Sealed, list[Waiter]]:
        self.events += sum([len(writer.offsets) for writer in self._writers])
        sealed = [(writer, writer.seal()) for writer in self._writers]
        waiters = self._waiters
        self._writers = []
        self._waiters = []
        self.group += 1
        return sealed, waiters

    def _commit(self, sealed: Sealed, waiters: list[Waiter]) -> None:
        records: Records = []
        began = time.perf_counter()
        for writer, batch in sealed:
            sequence = writer.shard.commit(batch)
            if sequence is not None and batch.outbox is not None:
                records.append((writer.number, sequence, batch.outbox))
        seconds = time.perf_counter() - began
        # Queued by whoever commits, so that groups are published in the order of their commits.
        self._landed.append(_Landed(records, waiters, len(sealed), seconds))

    def _publish(self) -> None:
        while self._landed:
            records, waiters, shards, seconds = self._landed.popleft()
            self.committed += 1
            if self.on_commit is not None:
                runs = sum(len(decode_outputs(record).offsets) for *_, record in records)
                self.on_commit(runs, shards, seconds)
            if records:
                reach("send.before")
                self._send(pack_done(records))
                reach("send.after")
            for callback, argument in waiters:
                callback(argument)

    @property
    def is_broken(self) -> bool:
        """Whether there will be no further commit."""
        return self._broken is not None

    @property
    def idle(self) -> bool:
        """Whether nothing is open, waiting, under way or unpublished."""
        return not (self._writers or self._waiters or self._under_way or self._landed)

    def close(self) -> None:
        """Release the thread."""
        if self._thread is not None:
            self._thread.shutdown(wait=True)


def _set_done(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
