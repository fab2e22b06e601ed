"""Decides which runs are in the event log, and writes them.

A run that fails or takes long is written in full, and so is each run of some keys that are named.
Of the others, one in N is: by its number, so that all attempts at it, and all that it is suspended
in, are written or none. How many runs a second are written is limited, for what is written costs
more than a short run itself.

What cannot be written is counted, and nothing else depends on it.
"""

from __future__ import annotations

import time
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from ...store.encoding.codec import make_decoder
from ...store.state.layout import StateLayout
from .rendering import Ending, Renderer
from .run_trace import RunTrace
from .settings import EventLogSettings
from .writing import EventLogFile, placed_in

if TYPE_CHECKING:
    from ...agent.plan import AgentPlan


__all__ = ["Tracer"]

_SPREAD: Final = 2_654_435_761
"""A number times this, modulo `sample`, is about as likely one as another."""
_BURST_SECONDS: Final = 10.0
"""The runs of so many seconds may come at once."""
_SPARSE: Final = 1000
"""Who wants at most one in so many runs needs no more than `_PLAIN_RATE` a second of plain ones."""
_PLAIN_RATE: Final = 2.0


class TracedPool(Protocol):
    """What the event log has of a pool."""

    @property
    def state(self) -> str:
        """Its state directory."""

    @property
    def generation(self) -> int:
        """Of the worker's code."""

    @property
    def input_codec(self) -> str:
        """How payloads of inputs are encoded."""


class _Bucket:
    """Permits so many a second, and some at once after a time without."""

    def __init__(self, rate: float) -> None:
        """`rate` may be infinite."""
        self._rate = rate
        self._there = self._most = max(1.0, rate * _BURST_SECONDS)
        self._at = time.monotonic()

    def take(self, now: float) -> bool:
        """Whether one more is permitted; `now` is monotonic."""
        if self._rate == inf:
            return True
        self._there = min(self._most, self._there + (now - self._at) * self._rate)
        self._at = now
        if self._there < 1.0:
            return False
        self._there -= 1.0
        return True


class Tracer:
    """The event log of a worker.

    Attributes:
        slow: runs that take so many seconds are written.
        sample: one in so many runs is written; 0 for none.
        keys: the encoded keys whose runs are all written.
        written, failed, skipped: how many runs were written, could not be, and were too many.
    """

    def __init__(self, settings: EventLogSettings, path: Path, renderer: Renderer) -> None:
        """`path` is the file."""
        self.slow = settings.slow
        self.sample = settings.sample
        self.keys = settings.keys
        self.written = 0
        self.failed = 0
        self.skipped = 0
        self._renderer = renderer
        self._file = EventLogFile(path, settings.max_bytes)
        self._rate = settings.rate
        self._reported = 0
        """How many of `skipped` the log says."""
        self._runs = _Bucket(settings.rate)
        self._plain = _Bucket(_PLAIN_RATE)

    def cause(self, number: int, key: bytes) -> str:
        """Why a run is written however it ends; empty if its end decides."""
        if key in self.keys:
            return "named"
        return "sampled" if number == self.next_sampled(number) else ""

    def next_sampled(self, number: int) -> float:
        """The next run that is sampled, from a number on; infinity for none.

        There is one in each block of `sample` numbers, in another place of each block, so that
        inputs that repeat in a pattern are all met.
        """
        size = self.sample
        if not size:
            return inf
        block = number // size
        found = block * size + block * _SPREAD % size
        if found < number:
            block += 1
            found = block * size + block * _SPREAD % size
        return found

    @classmethod
    def of(cls, plan: AgentPlan, pool: TracedPool, slot: int) -> Tracer | None:
        """The event log of the worker in a slot; None if nothing is ever written."""
        settings = EventLogSettings.of(plan.config)
        if settings.is_off:
            return None
        worker = {"worker": slot, "generation": pool.generation}
        decode = make_decoder(pool.input_codec)
        path = StateLayout(pool.state).event_log(slot)
        if settings.folder:
            path = placed_in(Path(settings.folder), path)
        return cls(settings, path, Renderer(settings, plan.name, worker, decode))

    @staticmethod
    def begin(number: int, key: bytes, attempt: int) -> RunTrace:
        """A trace of an attempt at a run that begins now."""
        return RunTrace(number, key, attempt)

    def finish(
        self,
        trace: RunTrace,
        status: str,
        error: BaseException | str | None = None,
        *,
        waited: float = 0.0,
        **attributes: Any,
    ) -> None:
        """End an attempt at a run, and write what it has done if that is wanted.

        `waited` are seconds that do not count, since it has done nothing but wait.
        """
        now = time.monotonic()
        cause = self.cause(trace.number, trace.key)
        if not cause:
            if status == "failed":
                cause = "failed"
            elif now - trace.began - waited >= self.slow:
                cause = "slow"
            else:
                return
        if cause != "named" and not self._runs.take(now):
            self.skipped += 1
            return
        if self.skipped > self._reported:
            attributes["skippedBefore"] = self.skipped - self._reported
        if waited:
            attributes["waited"] = round(waited, 6)
        try:
            self._file.write(
                self._renderer.lines(trace, Ending(now, cause, status, error, attributes))
            )
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 (OSError, mostly; nothing of the log may end a run)
            self.failed += 1
        else:
            self.written += 1
            self._reported = self.skipped

    def takes_sampled(self) -> bool:
        """Whether a sampled run of one plain action is written.

        Such runs may be so many that even one in a thousand costs what is felt.
        """
        return self.sample < _SPARSE or self._plain.take(time.monotonic())

    def totals(self) -> dict[str, int]:
        """How many runs were written, could not be, and were too many."""
        return {"written": self.written, "failed": self.failed, "skipped": self.skipped}

    def close(self) -> None:
        """Close the file."""
        self._file.close()
