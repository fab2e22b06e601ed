"""What waits for a permit: the queue of one limit, first in first out, in turns of the workers."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

__all__ = ["Absent", "Ask", "AskQueue", "AskedRoute"]

_KEPT_SECONDS: Final = 30.0
"""So long after the moment at which a call was expected back, it keeps its place."""


class AskedRoute(NamedTuple):
    """One way to make a call."""

    number: int
    limit: str
    tokens: int
    money: int


@dataclass(slots=True, order=True)
class Ask:
    """A call that waits for a permit; the one that has waited longest is the first."""

    since: float
    number: int
    worker: Hashable = field(compare=False)
    shard: int = field(compare=False)
    key: str = field(compare=False)
    """Names the key, if it has a rate of its own; else empty."""
    routes: list[AskedRoute] = field(compare=False)
    """In order of preference; the first one is that it waits for."""
    expected: float = field(default=0.0, compare=False)
    """When it may be granted, about."""

    @property
    def call(self) -> tuple[Hashable, int]:
        """What identifies the call."""
        return self.worker, self.number


class Absent:
    """Places in a queue of calls whose runs are suspended until it is nearly their turn."""

    __slots__ = ("_places", "_until")

    def __init__(self) -> None:
        self._places: list[float] = []
        """Since when each has waited; sorted."""
        self._until: dict[float, float] = {}

    def __len__(self) -> int:
        return len(self._places)

    def add(self, since: float, until: float) -> None:
        """Keep a place for a call that is back at that moment, about."""
        if since not in self._until:
            insort(self._places, since)
        self._until[since] = until + _KEPT_SECONDS

    def remove(self, since: float) -> None:
        """The call is back."""
        if self._until.pop(since, None) is not None:
            del self._places[bisect_left(self._places, since)]

    def before(self, since: float, now: float) -> int:
        """How many have waited for longer."""
        while self._places and self._until[self._places[0]] < now:
            self.remove(self._places[0])
        return bisect_left(self._places, since)


class AskQueue:
    """What waits under one limit; workers take turns."""

    __slots__ = ("_asks", "_by_worker")

    def __init__(self) -> None:
        self._by_worker: OrderedDict[Hashable, list[Ask]] = OrderedDict()
        self._asks: dict[tuple[Hashable, int], Ask] = {}

    def __len__(self) -> int:
        return len(self._asks)

    def __iter__(self) -> Iterator[Ask]:
        return iter(self._asks.values())

    def add(self, ask: Ask) -> int:
        """Add a call; returns how many are granted before it, about."""
        asks = self._by_worker.setdefault(ask.worker, [])
        place = bisect_left(asks, ask)
        asks.insert(place, ask)
        self._asks[ask.call] = ask
        return min(len(self) - 1, (place + 1) * len(self._by_worker) - 1)

    def first(self) -> Ask | None:
        """The next call; None if there is none."""
        for asks in self._by_worker.values():
            return asks[0]
        return None

    def pop(self) -> Ask:
        """Remove the next call; its worker's turn is over."""
        worker, asks = next(iter(self._by_worker.items()))
        ask = asks.pop(0)
        del self._asks[ask.call]
        if asks:
            self._by_worker.move_to_end(worker)
        else:
            del self._by_worker[worker]
        return ask

    def remove(self, worker: Hashable, number: int) -> Ask | None:
        """Remove a call that is withdrawn, and return it; None if it is not here."""
        ask = self._asks.pop((worker, number), None)
        if ask is not None:
            asks = self._by_worker[worker]
            del asks[bisect_left(asks, ask)]
            if not asks:
                del self._by_worker[worker]
        return ask

    def remove_worker(self, worker: Hashable) -> None:
        """Remove all calls of a worker, which has ended."""
        for ask in self._by_worker.pop(worker, ()):
            del self._asks[ask.call]

    def clear(self) -> list[Ask]:
        """Remove and return all."""
        asks = list(self)
        self._by_worker.clear()
        self._asks.clear()
        return asks
