"""Reads what waits in a state directory, beside its writers and in bounded memory."""

from __future__ import annotations

import heapq
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, NamedTuple

import lmdb

from ..faults import lmdb_error
from ..records.offsets import RunKind
from ..waiting.reading import WaitingCounts
from ..waiting.records import OwnedHeader, OwnedRun

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from ..shard.snapshot import Snapshot
    from ..waiting.reading import WaitingView
    from ..waiting.records import QuestionRecord
    from .reader import StoreReader

__all__ = ["WaitingRun", "WaitingRuns", "all_waiting", "waiting_counts", "waiting_in"]


class WaitingRun(NamedTuple):
    """A run in the store.

    Attributes:
        number: its number, as its shard announces it.
        run: its record.
        woken: whether it is to go on now, because an answer has come.
        behind: how many inputs (and timers) wait behind it.
    """

    number: int
    run: OwnedRun
    woken: bool
    behind: int


class WaitingRuns:
    """What waits in all shards, as of one commit of each; can be read more than once."""

    def __init__(self, reader: StoreReader, views: list[tuple[int, WaitingView]]) -> None:
        """`views` has the shards with their numbers."""
        self._reader = reader
        self._views = views

    def questions(self, after: str = "") -> Generator[tuple[str, QuestionRecord], None, None]:
        """Yield the open questions behind a token with their tokens, the oldest first."""
        streams = (self._questions(number, view, after) for number, view in self._views)
        yield from heapq.merge(*streams, key=_token_of)

    def _questions(
        self, number: int, view: WaitingView, after: str
    ) -> Iterator[tuple[str, QuestionRecord]]:
        try:
            for token, record in view.questions(after):
                if record.is_open:
                    yield token, record
        except lmdb.Error as error:
            raise lmdb_error(error, self._reader.view.layout.shard(number)) from error

    def runs(self, key: bytes | None = None) -> Iterator[WaitingRun]:
        """Yield the suspended runs, of one encoded key or of all: shard by shard, by number."""
        for view, number, data, header in self._owned(key):
            if header.begun:
                woken = view.is_woken(number, header)
                behind = view.queue_length(header.key) - 1 if header.ticket else 0
                yield WaitingRun(number, OwnedRun.decode(data), woken, max(0, behind))

    def timers(self, key: bytes | None = None) -> Iterator[tuple[int, OwnedRun]]:
        """Yield the timers that have not fired with their numbers, in the order of `runs`."""
        for _, number, data, header in self._owned(key):
            if header.kind == RunKind.TIMER and not (header.begun or header.ticket):
                yield number, OwnedRun.decode(data)

    def queue_length(self, key: bytes) -> int:
        """How many runs of an encoded key are in the store, the suspended one included."""
        return sum(view.queue_length(key) for _, view in self._views)

    def counts(self) -> WaitingCounts:
        """How much waits."""
        return sum((view.counts() for _, view in self._views), WaitingCounts())

    def _owned(self, key: bytes | None) -> Iterator[tuple[WaitingView, int, bytes, OwnedHeader]]:
        for shard, view in self._views:
            try:
                for number, data in view.all_owned():
                    header = OwnedHeader.decode(data)
                    if key is None or header.key == key:
                        yield view, number, data, header
            except lmdb.Error as error:
                raise lmdb_error(error, self._reader.view.layout.shard(shard)) from error


@contextmanager
def all_waiting(reader: StoreReader) -> Iterator[WaitingRuns]:
    """Give what waits in a state directory now, whether a launcher uses it or not.

    Close it soon: while it is open, space that the writers free is not used again.

    Raises:
        StoreError: a shard is lost, damaged, or of another store.
    """
    with ExitStack() as stack:
        views = []
        for number in range(reader.view.manifest.shards):
            snapshot = stack.enter_context(reader.shard(number))
            if snapshot is not None:
                views.append((number, snapshot.waiting))
        yield WaitingRuns(reader, views)


def waiting_in(reader: StoreReader, number: int, snapshot: Snapshot) -> WaitingRuns:
    """What waits in one shard."""
    return WaitingRuns(reader, [(number, snapshot.waiting)])


def waiting_counts(reader: StoreReader) -> WaitingCounts:
    """How much waits in a state directory."""
    with all_waiting(reader) as waiting:
        return waiting.counts()


def _token_of(question: tuple[str, QuestionRecord]) -> str:
    return question[0]
