"""Announces to the launcher what is due in the shards of this worker.

A run that is due is announced once, and the launcher sends it back like an input: so what it costs
is bounded by credit, and one that kills its worker is found like any input. It stays in the table
`due` until it has ended or is suspended anew, so a worker's successor announces it again.

The tables are read when something in them has changed, and when the next moment has come. At most
`MOST_ANNOUNCED` runs are announced at a time, however many are due.

A shard in which an earlier life has begun an input announces nothing until that input has begun
again: nothing of its key may come in between, and the key of such an input is known only then. An
input that does not come again is not waited for longer than `LONGEST_HOLD`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple

from ...store import clock
from ...store.crashpoints import reach
from ...store.waiting.reading import WaitingCounts
from ..wire import AT_REST, pack, pack_due

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, TimerHandle
    from collections.abc import Callable, Iterable

    from ...store.shard.shard import Shard
    from ...store.waiting.reading import WaitingView

MOST_ANNOUNCED: Final = 2048
LONGEST_HOLD = 10.0
"""Seconds after which a shard announces what is due, whatever was interrupted there."""
_HOLD_PAUSE: Final = 0.02
"""Seconds between two looks at a shard that is held."""
_LONGEST_PAUSE: Final = 1.0
"""Seconds between two looks at the clock, which may be set anew at any time."""


class _Round(NamedTuple):
    """The launcher's question whether anything is left to be done."""

    number: int
    ends: bool


class _Due(NamedTuple):
    """What was found in the tables of a shard."""

    runs: list[tuple[int, bytes]]
    next: int | None
    """When the next one is due, in microseconds since the epoch; None for never."""


class Announcer:
    """Announces what is due."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        send: Callable[[bytes], None],
        is_idle: Callable[[], bool],
    ) -> None:
        """`is_idle` returns whether the worker has nothing to run and nothing to commit."""
        self._loop = loop
        self._send = send
        self._is_idle = is_idle
        self.has_interrupted: Callable[[int], bool] = _never
        """Whether an input of a shard was begun by an earlier life, and not again by this one."""
        self._held: dict[int, float] = {}
        """The shards that announce nothing yet, and until when, in the loop's time."""
        self._shards: dict[int, Shard] = {}
        self._announced: dict[int, set[int]] = {}
        """By shard, the runs that are announced and not over."""
        self._next: dict[int, int | None] = {}
        """By shard, when something is due; 0: it is to be read."""
        self._timer: TimerHandle | None = None
        self._scheduled = False
        self._stopped = False
        self._stop_listening = clock.listen(self._clock_has_moved)
        self._round: _Round | None = None
        self._is_answered = True

    @property
    def announced(self) -> int:
        """How many runs are announced and not over."""
        return sum(map(len, self._announced.values()))

    def add(self, shard: Shard) -> None:
        """Watch a shard that the worker has acquired."""
        self._shards[shard.number] = shard
        self._announced[shard.number] = set()
        if self.has_interrupted(shard.number):
            self._held[shard.number] = self._loop.time() + LONGEST_HOLD
        self.changed(shard.number)

    def forget(self, number: int) -> None:
        """Stop watching a shard."""
        self._shards.pop(number, None)
        self._announced.pop(number, None)
        self._next.pop(number, None)
        self._held.pop(number, None)

    def changed(self, number: int, over: Iterable[int] = ()) -> None:
        """A commit has changed what waits in a shard; the runs `over` have ended or wait anew."""
        if number in self._shards:
            self._announced[number].difference_update(over)
            self._next[number] = 0
            self._schedule()

    def begin_round(self, number: int, *, ends: bool) -> None:
        """Report when nothing is to be done; `ends`: the input has ended, announce that first."""
        self._round = _Round(number, ends)
        self._is_answered = False
        for shard in self._shards:
            self._next[shard] = 0
        self._schedule()

    def stop(self) -> None:
        """Announce nothing more."""
        if self._stopped:
            return
        self._stopped = True
        self._stop_listening()
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Announce what is due by now, and report if nothing is to be done."""
        self._scheduled = False
        if self._stopped:
            return
        now = int(clock.now() * 1e6)
        for number, until in list(self._held.items()):
            if not self.has_interrupted(number) or self._loop.time() > until:
                del self._held[number]
        for number, moment in list(self._next.items()):
            if moment is not None and moment <= now and number not in self._held:
                self._announce(number, now)
        self._answer_round(now)
        self._set_timer(now)

    def _announce(self, number: int, now: int) -> None:
        room = MOST_ANNOUNCED - self.announced
        if room <= 0:
            return  # it is read again when some are over
        known = self._announced[number]
        ends = self._round is not None and self._round.ends

        def read(view: WaitingView) -> _Due:
            found: list[tuple[int, bytes]] = []
            for due in view.due(now, known):
                if len(found) == room:
                    return _Due(found, 0)
                found.append((due.number, due.key))
            if ends:
                for run, key in view.ends():
                    if run not in known:
                        if len(found) == room:
                            return _Due(found, 0)
                        found.append((run, key))
            return _Due(found, view.next_due(now))

        runs, self._next[number] = self._shards[number].read_waiting(read)
        if runs:
            known.update(run for run, _ in runs)
            reach("due.before")
            self._send(pack_due([run for run, _ in runs], [key for _, key in runs]))
            reach("due.after")

    def _answer_round(self, now: int) -> None:
        if self._round is None or self._is_answered or self.announced or not self._is_idle():
            return
        if self._held:
            return
        if any(moment is not None and moment <= now for moment in self._next.values()):
            return
        self._is_answered = True
        shards = {str(number): _json(shard) for number, shard in self._shards.items()}
        self._send(pack(AT_REST, {"round": self._round.number, "shards": shards}))

    def _set_timer(self, now: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.announced >= MOST_ANNOUNCED:
            return
        moments = [
            moment
            for number, moment in self._next.items()
            if moment is not None and number not in self._held
        ]
        if self._held:
            moments.append(now + int(_HOLD_PAUSE * 1e6))
        if moments:
            pause = min(max(0.0, (min(moments) - now) / 1e6), _LONGEST_PAUSE)
            self._timer = self._loop.call_later(pause, self.look)

    def _clock_has_moved(self) -> None:
        """Look again; another thread may have moved the clock."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.look)

    def _schedule(self) -> None:
        if not self._scheduled and not self._stopped:
            self._scheduled = True
            self._loop.call_soon(self.look)

    def counts(self) -> WaitingCounts:
        """How much waits in the shards of this worker."""
        return sum(map(_counts, self._shards.values()), WaitingCounts())


def _never(_: int) -> bool:
    return False


def _counts(shard: Shard) -> WaitingCounts:
    return shard.read_waiting(lambda view: view.counts())


def _json(shard: Shard) -> dict[str, object]:
    return counts_to_json(_counts(shard))


def counts_to_json(counts: WaitingCounts) -> dict[str, object]:
    """The counts as messages carry them."""
    return {
        "runs": counts.runs,
        "inputs": counts.inputs,
        "timers": counts.timers,
        "questions": counts.questions,
        "next": counts.next,
    }
