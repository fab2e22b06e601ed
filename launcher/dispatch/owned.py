"""Owned runs: runs whose inputs are in a shard, announced by its worker when they are due.

The launcher sends such a run back to the worker like an input, so credit, order, the search for
poisonous inputs and moves are the same. But the shard has the run, and the launcher need not keep
it: when the worker dies, or the shard moves, all queued ones are dropped, and the shard's next
worker announces again what is due. What is kept, by number, is the suspicion against those that
were in flight at deaths: so one that kills each worker that runs it is found, and is rejected when
it is announced the next time.

Owned runs are at the front of a queue: none of them has to wait for the inputs that are queued, and
what is due is to run soon. A worker announces only so many that inputs go on beside them.

In here, and for the rest of the dispatcher, a run that is suspended again is one that has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ...store.records.offsets import RunKind, is_owned, kind_of, offset_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .input_queue import InputQueue
    from .item import Item, Rejection, Suspicion
    from .slot import Slot

MOST_REMEMBERED: Final = 1 << 16
"""The suspicions that are kept; those of the longest ago are dropped."""


class _Record(NamedTuple):
    """What is held against an owned run that is not known at present."""

    deaths: int
    suspicion: Suspicion | None
    rejection: Rejection | None


class OwnedRuns:
    """The owned runs of a pool.

    Attributes:
        known: those that are queued or in flight, by number.
        announced: how many have ever been queued.
        closed: whether no more are accepted.
    """

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        """`most`: so many suspicions at most are kept."""
        self.known: dict[int, Item] = {}
        self.announced = 0
        self.closed = False
        self._most = most
        self._records: dict[int, _Record] = {}

    @property
    def remembered(self) -> int:
        """How many suspicions are kept."""
        return len(self._records)

    def accept(self, slot: Slot, items: Iterable[Item]) -> None:
        """Queue runs that the slot's worker has announced, in this order, if they are new."""
        if self.closed:
            return
        new = []
        for item in items:
            number = item.offset
            if number in self.known:
                continue
            self.known[number] = item
            record = self._records.get(number)
            if record is not None:
                item.deaths, item.suspicion, item.rejection = record
                slot.interrupted.add(number)
            new.append(item)
        self.announced += len(new)
        slot.put_owned(new)

    def completed(self, items: Sequence[Item]) -> int:
        """Forget those of some completed items that are owned runs; return how many."""
        known = self.known
        numbers = [item.offset for item in items if item.offset in known]
        for number in numbers:
            del known[number]
            self._records.pop(number, None)
        return len(numbers)

    def found(self, numbers: Iterable[int]) -> set[int]:
        """Forget owned runs that were found committed; return the other numbers."""
        inputs = set()
        for number in numbers:
            if is_owned(number):
                self._records.pop(number, None)
            else:
                inputs.add(number)
        return inputs

    def drop(self, queue: InputQueue, shard: int | None = None) -> None:
        """Drop queued runs of a shard (None: of all) from a queue; suspicions are kept."""
        for item in queue.drop_owned(shard):
            del self.known[item.offset]
            if item.deaths:
                self._records.pop(item.offset, None)
                self._records[item.offset] = _Record(item.deaths, item.suspicion, item.rejection)
        while len(self._records) > self._most:
            del self._records[next(iter(self._records))]


def describe_run(number: int) -> str:
    """Return what a run is of, for people: `input 5`, `a timer`."""
    kind = kind_of(number)
    if kind == RunKind.TIMER:
        return "a timer"
    if kind == RunKind.END:
        return "the end of the input"
    return f"input {offset_of(number)}"
