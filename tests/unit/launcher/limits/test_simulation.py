"""A limit over several workers and lives of a launcher, as a server sees it: simulated.

Workers, launchers and a server are simulated, and so is time; the limiter and the log of grants are
the real ones. A permit is used up to a second after the grant, and the request takes up to a fifth
of a second.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_right
from functools import partial
from random import Random
from typing import TYPE_CHECKING, cast

import pytest

from tamias.agent.limits.settings import Limits
from tamias.launcher.limits.asks import Ask, AskedRoute
from tamias.launcher.limits.limiter import Grant, Limiter
from tamias.store.records.usage import NO_USE

if TYPE_CHECKING:
    from collections.abc import Callable

PER_MINUTE = 600


class Simulation:
    """A limit of 600 requests per minute, and workers that always have more to ask."""

    def __init__(self, workers: int, seed: int, waiting: int = 40) -> None:
        self.random = Random(seed)
        self.now = 1000.0
        self.arrivals: list[float] = []
        self.limits = Limits.of({"limits.api.requests-per-minute": PER_MINUTE})
        self.limiter = Limiter(self.limits, 4)
        self.log: list[tuple[float, Grant]] = []
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.numbers = itertools.count()
        self.incarnations = [0] * workers
        self.waiting = waiting
        self.down = False
        self._turns_at = float("inf")
        for slot in range(workers):
            self.start(slot)

    def at(self, moment: float, event: Callable[[], None]) -> None:
        heapq.heappush(self.events, (moment, next(self.numbers), event))

    def start(self, slot: int) -> None:
        """A worker comes up, and asks for all of its calls."""
        self.incarnations[slot] += 1
        for _ in range(self.waiting):
            self.ask(slot)

    def ask(self, slot: int) -> None:
        if self.down:
            return
        worker = slot, self.incarnations[slot]
        routes = [AskedRoute(0, "api", 0, 0)]
        self.limiter.ask(Ask(self.now, next(self.numbers), worker, slot % 4, "", routes), self.now)
        self.reply()

    def reply(self) -> None:
        """Carry out what the limiter says, and have it called when it wants."""
        replies, self.limiter.replies = self.limiter.replies, []
        for reply in replies:
            if isinstance(reply, Grant):
                self.log.append((self.now, reply))
                used_at = self.now + self.random.random() ** 4  # seldom late
                self.at(used_at, partial(self.use, reply))
        moment = self.limiter.next_moment(self.now)
        if moment is not None and moment < self._turns_at:
            self._turns_at = moment
            self.at(moment + self.random.uniform(0.0, 0.003), self.turn)

    def turn(self) -> None:
        self._turns_at = float("inf")
        if not self.down:
            self.limiter.turn(self.now)
            self.reply()

    def use(self, grant: Grant) -> None:
        slot, incarnation = cast("tuple[int, int]", grant.worker)
        if self.incarnations[slot] != incarnation or self.down:
            return
        self.at(self.now + self.random.uniform(0.0, 0.2), self.arrive)
        ends_at = self.now + self.random.uniform(0.1, 2.0)
        self.at(ends_at, partial(self.end, slot, incarnation, grant))

    def arrive(self) -> None:
        self.arrivals.append(self.now)

    def end(self, slot: int, incarnation: int, grant: Grant) -> None:
        if self.incarnations[slot] == incarnation and not self.down:
            self.limiter.end((grant.worker, grant.number), "done", NO_USE, None, self.now)
            self.ask(slot)

    def kill(self, slot: int) -> None:
        if not self.down:
            self.limiter.remove_worker((slot, self.incarnations[slot]))
            self.incarnations[slot] += 1
            self.at(self.now + 0.5, lambda: None if self.down else self.start(slot))

    def kill_launcher(self) -> None:
        """All end; the next launcher has the log of grants."""
        self.down = True
        self.incarnations = [number + 1 for number in self.incarnations]

        def begin() -> None:
            self.down = False
            self.limiter = Limiter(self.limits, 4)
            self._turns_at = float("inf")
            for moment, grant in self.log:
                if moment > self.now - 70:
                    self.limiter.restore(grant.route.limit, grant.key, 0, moment)
            for slot in range(len(self.incarnations)):
                self.start(slot)

        self.at(self.now + 1.0, begin)

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.events and self.events[0][0] <= end:
            self.now, _, event = heapq.heappop(self.events)
            event()
        self.now = end


def windows(arrivals: list[float], until: float) -> tuple[int, int]:
    """The fewest and the most arrivals in any 60 s, but for those at the very end."""
    arrivals = sorted(arrivals)
    most = max(bisect_right(arrivals, start + 60.0) - index for index, start in enumerate(arrivals))
    fewest = min(
        bisect_right(arrivals, start + 60.0) - index - 1
        for index, start in enumerate(arrivals)
        if start + 60.0 <= until
    )
    return fewest, most


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_a_server_sees_at_most_the_limit_and_nearly_all_of_it(workers: int) -> None:
    simulation = Simulation(workers, workers)
    simulation.run(300)
    fewest, most = windows(simulation.arrivals, simulation.now)
    assert most <= PER_MINUTE
    assert fewest >= 0.9 * PER_MINUTE


@pytest.mark.parametrize("workers", [2, 4, 8])
@pytest.mark.parametrize("seed", range(3))
def test_that_holds_through_deaths_of_workers_and_launchers(workers: int, seed: int) -> None:
    simulation = Simulation(workers, seed)
    for moment in range(5, 400, 7):
        slot = simulation.random.randrange(workers)
        if moment % 6 == 5:
            simulation.at(simulation.now + moment, simulation.kill_launcher)
        else:
            simulation.at(simulation.now + moment, partial(simulation.kill, slot))
    simulation.run(400)
    fewest, most = windows(simulation.arrivals, simulation.now)
    assert most <= PER_MINUTE
    assert fewest >= 0.9 * PER_MINUTE


def test_workers_have_equal_shares_whatever_they_ask_for() -> None:
    simulation = Simulation(4, 0)
    for _ in range(400):
        simulation.ask(0)
    shares = [0, 0, 0, 0]
    simulation.run(120)
    for _, grant in simulation.log:
        shares[grant.worker[0]] += 1  # type: ignore[index]
    assert max(shares) <= 1.1 * min(shares)
