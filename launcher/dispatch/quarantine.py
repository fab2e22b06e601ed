"""Finds the input that kills its worker, and sets no other input aside.

A worker holds up to a window of inputs (1024) when it dies. One of them may be poisonous: it kills
the next worker too, and the one after. Or none is: perhaps an operator ran `kill -9`, or the kernel
was short of memory. All that can be observed is whether a set of inputs kills, and every
observation of a yes costs a worker.

This is adaptive group testing. Dorfman (1943) tested the blood of recruits in pools, and each
member of a positive pool alone; Li (1962) used several stages with pools that shrink by a constant
factor, which finds one defective among n in about log n positive tests; Hwang (1972) cut the pools
in halves. We use Li's stages, for three reasons that blood tests do not have:

- A test has effects. An input that survives a test *is done*: its memory and output are committed.
  So nothing is tested twice for the sake of the search, and harmless inputs are cleared by
  completing.
- Order. The inputs of one key must run in their order, so a pool is always a run of neighbours
  from the head of the queue; inputs cannot be picked and shuffled.
- A positive test costs some tens of milliseconds and the work in flight; a small pool costs
  concurrency as long as it lasts. Halving has cheap steps but ten of them. Going to single inputs
  at once (as most queues with a redelivery count do) would run a whole window one by one, which
  for inputs that each wait a second for a model is a quarter of an hour.

So every item carries a *level* (`Item.deaths`), the number of deaths it was a suspect in, and a
level has a *company*: the largest set that an item of this level may be in flight with, itself
included. Level 0 goes in full windows; then a quarter of it (the first death is probably an
accident, and an accident should not cost much), then a 16th of that, and so on down to 1: with
the default window 1024, 256, 16, 1. The rule needs no memory of groups and no state for the
search as a whole: the in-flight set must be no larger than the smallest company of its members,
and a suspect at the head of the queue waits until that is so. Two poisonous inputs, or ten, need no
rule of their own.

The worker usually knows more. It writes the offset that it is executing to shared memory before
it enters user code, and the launcher reads this beacon after the death. Such a *hint* sends the
named item straight to company 1 and leaves the others at their level. A hint is not proof (an
input can corrupt memory over which another then falls, or crash in a thread while another runs; the
kill may have come from outside), so no item is rejected because of hints alone. Wrong hints cannot
stop the search either. An item is named in a crowd at most once, since from then on it goes alone,
and either it is cleared by completing or it dies alone. And a wrongly named item that waits for its
turn alone is a barrier in the queue: the items in front of it are retried without those behind it,
so that a poisonous input in front ends up in ever smaller company, as in a search with random
pivots.

*Proved* is an item that was alone in flight at the death, was a suspect in at least
`max_attempts` deaths, and was alone in at least two of them (one if `max_attempts` is below
three). The second lone death protects harmless inputs: once the search has isolated a few
dozen items, a single further accident would hit one of them alone. With hints this costs nothing
(1 hinted, 2 alone); without, a poisonous input takes five deaths.

SIGKILL is weaker evidence than any other death: code hardly ever sends it to itself, but operators,
container managers and a kernel short of memory do, and they may do so again and again while the
same input is being retried. So it takes five lone ones. (The launcher cannot know more: whether the
kernel killed for want of memory cannot be seen from inside a container, and the input may well be
what wanted the memory, so such a death does not clear it either.)

All of this is evidence against an item *and the code that ran it*. So deaths under another
generation's code count for nothing but the item's company: else an accident under good code, and
two deaths under bad code that is about to be rolled back, would reject it.

A rejected item is harmless, since it is never run again: it has full company and is never a
suspect. A death that the shell knows to come from outside (`Death.unrelated`) makes no suspects.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Final

from ...store.records.offsets import identity_of
from .item import Rejection, Suspicion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .item import Death, Item

KILLED_ALONE: Final = 5
"""Lone deaths that reject an item, if the last was a SIGKILL that the pool did not send."""


class Quarantine:
    """Decides which inputs are suspects, which are in flight together, and which is rejected."""

    __slots__ = ("_alone_needed", "_companies", "_max_attempts", "_window")

    def __init__(self, window: int, max_attempts: int) -> None:
        companies = [window]
        while companies[-1] > 1:
            companies.append(max(1, window >> (4 * len(companies) - 2)))
        if len(companies) == 1:  # a window of one: the only level is already the last
            companies.append(1)
        self._companies = tuple(companies)
        self._window = window
        self.allow_attempts(max_attempts)

    def allow_attempts(self, number: int) -> None:
        """Require so many deaths for a rejection from now on."""
        self._max_attempts = number
        self._alone_needed = 2 if number >= 3 else 1

    def company(self, item: Item) -> int:
        """The largest in-flight set this item may be part of, itself included."""
        if item.rejection is not None:
            return self._window
        return self._companies[min(item.deaths, len(self._companies) - 1)]

    def record_death(self, items: Sequence[Item], death: Death, generation: int = 0) -> bool:
        """Record a death with these items in flight: make suspects, and reject the proved one.

        The death is that of a worker of this generation.
        Returns whether the death is explained: whether there was an item to suspect.
        """
        if death.unrelated:
            return False
        # A hint at an item that is not in flight is old: that one is done, and it says nothing.
        named = [
            item for item in items if death.suspect in (item.offset, identity_of(item.offset))
        ] or items
        suspects = [item for item in named if item.rejection is None]
        for item in suspects:
            if item.suspicion is None:
                item.suspicion = Suspicion(generation)
            elif item.suspicion.generation != generation:
                item.suspicion.reset(generation)
            item.suspicion.attempts += 1
            item.deaths += 1
            if len(named) == 1:  # named by the hint, or by being alone
                item.deaths = max(item.deaths, len(self._companies) - 1)
            if len(items) == 1:
                self._count_lone_death(item, item.suspicion, death)
        return bool(suspects)

    def _count_lone_death(self, item: Item, suspicion: Suspicion, death: Death) -> None:
        suspicion.alone += 1
        killed = death.signal == signal.SIGKILL and death.cause == "crash"
        needed = KILLED_ALONE if killed else self._alone_needed
        if suspicion.alone < needed or suspicion.attempts < self._max_attempts:
            return
        item.rejection = Rejection(
            cause=death.cause,
            error=f"killed its worker {suspicion.attempts} times, {suspicion.alone} of them"
            f" alone in flight: {death.describe()}",
            attempts=suspicion.attempts,
            signal=death.signal,
            stacks=death.stacks,
            worker_pid=death.worker_pid,
        )
