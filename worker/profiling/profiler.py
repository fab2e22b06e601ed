"""The profiler of a worker: a thread that samples all the time, and more closely when asked.

It samples 20 times a second, which costs a thousandth of a core, and writes what it has seen every
ten seconds; so one can look at where the time went in the last hour, also if the worker is dead by
now. A request (`recording`) has it sample at another rate for a while, into a profile of its own;
there may be several at the same time, and the record goes on meanwhile. The first stretches of a
worker's life are shorter, so that little is lost of one that dies soon.

The thread measures its own CPU time. If that is more than a hundredth of the time that passes while
nothing is asked for, it samples half as often, until that is a small part again.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final

from ...agent.config.profile_options import ProfileOptions
from ...agent.failures.error_text import one_line
from ...store.state.layout import StateLayout
from ..tasks.thread_pool import threads_are_replaced
from .moments import Moments
from .owners import Owners
from .recording import (
    Stretch,
    StretchFile,
    make_folders,
    remove_old,
    requests_in,
    stacks_answer,
    write_answer,
)
from .sampler import Sampler, Samples, action_codes, period_after, prompt_switching, share_of
from .stack_report import stack_report
from .taking import ProfileTaking, error_answer, taking_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ...agent.plan import AgentPlan
    from ..beacon import Beacon
    from .recording import Request
    from .taking import Taking

__all__ = ["Profiler"]

STRETCH_SECONDS: Final = 10.0
FIRST_STRETCH_SECONDS: Final = 1.0
"""Of the first stretch of a worker's life; each that follows is twice as long."""
LEAD_SECONDS: Final = 0.002
"""How long before a sample threads begin to get the interpreter's lock sooner. It is longer than
what may be between two places where code releases it: the sampler is woken at one of these."""
PROMPT_SECONDS: Final = 0.00005
"""How long threads wait for the lock before they ask for it, while a profile was asked for."""
PATIENT_SECONDS: Final = 0.0002
"""The same for samples of the record, which must cost little."""
LATE_SECONDS: Final = 0.0002
"""A sample that is later than this may have waited for the interpreter's lock."""
LOOK_SECONDS: Final = 1.0
"""How often it looks for requests."""

_LOG: Final = logging.getLogger("tamias.worker")


@contextmanager
def profiling(
    state: str | os.PathLike[str],
    plan: AgentPlan,
    worker: tuple[int, int],
    loop: asyncio.AbstractEventLoop,
    idle: Callable[..., object],
) -> Iterator[Profiler | None]:
    """In this block, a worker is profiled.

    `worker` are its slot and generation; it waits for work in the function `idle`. Where a library
    has replaced threads by something else, there can be no profile.
    """
    if threads_are_replaced():
        yield None
        return
    codes = action_codes({name: action.fn for name, action in plan.actions.items()})
    sampler = Sampler(codes, {idle.__code__})
    hz = plan.config.get(ProfileOptions.RATE)
    profiles = StateLayout(state).profiles
    profiler = Profiler(sampler, loop, profiles, *worker, hz=hz)
    profiler.start()
    try:
        yield profiler
    finally:
        profiler.stop()


class Profiler:
    """Samples in a thread of its own, between `start` and `stop`.

    Args:
        sampler: looks at the threads.
        loop: whose tasks are looked at when that is asked for.
        profiles: the directory of profiles.
        slot, generation: the worker's.
        hz: samples a second all the time; 0 for only those that are asked for.
    """

    def __init__(
        self,
        sampler: Sampler,
        loop: asyncio.AbstractEventLoop,
        profiles: Path,
        slot: int,
        generation: int,
        *,
        hz: float,
    ) -> None:
        self._sampler = sampler
        self._loop = loop
        self._profiles = profiles
        self._slot = slot
        self._generation = generation
        self._file = StretchFile(profiles / f"worker-{slot}.jsonl")
        self._failures = 0
        self._shortest = 1 / hz if hz else None
        self._period = self._shortest
        """Between two samples of the record; None if there is none."""
        self._moments: Moments | None = None
        self._record = Samples()
        self._record_until = 0.0
        self._stretch_seconds = FIRST_STRETCH_SECONDS
        self._next_look = 0.0
        self._looked_at = 0.0
        """When it looked for requests, in monotonic seconds, its own CPU time then, and all."""
        self._own_seconds = self._used = 0.0
        self._taking: list[Taking] = []
        self._switching = ExitStack()
        self._answered: set[str] = set()
        self._has_failed = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tamias-profiler", daemon=True)

    @property
    def failures(self) -> int:
        """How often a record or an answer could not be written."""
        return self._failures + self._file.failures

    def know(self, beacon: Beacon, execution_of: Callable[[int], tuple[str, bytes] | None]) -> None:
        """From now on, the runs are known for which code is executed; see `Owners`."""
        self._sampler.owners = Owners(beacon, execution_of)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and write what was seen last."""
        self._ended.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        with suppress(OSError):  # a request makes them, too
            make_folders(self._profiles)
        self._begin_stretch(time.monotonic())
        self._sampler.start()
        while not self._ended.wait(self._pause(time.monotonic())):
            try:
                self._step(time.monotonic())
            except Exception as error:  # noqa: BLE001 (a profile must not harm its worker)
                if not self._has_failed:
                    self._has_failed = True
                    _LOG.warning("sampling has failed, and is tried again: %s", one_line(error))
                self._ended.wait(LOOK_SECONDS)
        self._switching.close()
        for taking in self._taking:
            self._answer(taking)
        self._write_record()

    def _pause(self, now: float) -> float:
        """Seconds until there is something to do."""
        pauses = [self._next_look - now, *(taking.until - now for taking in self._taking)]
        moments = self._moments_from(now)
        if moments is not None:
            lead = 0.0 if self._taking else LEAD_SECONDS
            pauses.append(moments.until_next(now) - lead)
        return max(0.0, min(pauses))

    def _moments_from(self, now: float) -> Moments | None:
        """When samples are due; None if none are taken now."""
        period = self._sample_period()
        if period is None:
            self._moments = None
        elif self._moments is None or self._moments.period != period:
            self._moments = Moments(period, now)
        return self._moments

    def _sample_period(self) -> float | None:
        """The seconds between two samples; None if none are taken now."""
        periods = [self._period, *(taking.period for taking in self._taking)]
        return min((period for period in periods if period is not None), default=None)

    def _step(self, now: float) -> None:
        moments = self._moments_from(now)
        if moments is not None and moments.until_next(now) <= LEAD_SECONDS:
            with prompt_switching(PATIENT_SECONDS):
                self._ended.wait(max(0.0, moments.until_next(now)))
                now = time.monotonic()
                weight = moments.passed(now)
                if weight:
                    self._sample(weight, moments)
        ended = [taking for taking in self._taking if now >= taking.until]
        for taking in ended:
            self._taking.remove(taking)
            self._answer(taking)
        if not self._taking:
            self._switching.close()
        if now >= self._record_until:
            self._write_record()
            self._begin_stretch(now)
        if now >= self._next_look:
            self._next_look = now + LOOK_SECONDS
            self._adjust(now)
            for request in requests_in(self._profiles, self._slot, time.time()):
                if request.id not in self._answered:
                    self._answered.add(request.id)
                    self._begin(request)

    def _sample(self, weight: float, moments: Moments) -> None:
        """Look once; what is seen goes into the record and into all profiles that are taken."""
        late = moments.late > LATE_SECONDS
        seen = self._sampler.sample(weight, late=late, since=moments.since)
        if self._period is not None:
            self._record.add_threads(seen)
        profiles = [taking for taking in self._taking if isinstance(taking, ProfileTaking)]
        for taking in profiles:
            taking.samples.add_threads(seen)
        with_tasks = [taking for taking in profiles if taking.request.tasks]
        if with_tasks:
            tasks = self._sampler.sample_tasks(self._loop, weight)
            for taking in with_tasks:
                taking.samples.add_tasks(tasks)

    def _begin(self, request: Request) -> None:
        """Begin with what is asked for; stacks are answered at once."""
        try:
            request.begun(self._profiles, self._slot).touch()
        except OSError:
            return  # nothing waits for it any more
        if request.kind == "stacks":
            report = stack_report(self._sampler, self._sampler.owners, self._loop)
            self._write(request, stacks_answer(report, self._slot, self._generation))
            return
        try:
            taking = taking_of(request, self._profiles, self._slot)
        except Exception as error:  # noqa: BLE001 (of memray: anything)
            self._write(request, error_answer(error))
            return
        if self._sample_period() is None:
            self._sampler.start()
        if not self._taking:
            self._switching.enter_context(prompt_switching(PROMPT_SECONDS))
        self._taking.append(taking)

    def _answer(self, taking: Taking) -> None:
        try:
            answer = taking.answer(self._slot, self._generation)
        except Exception as error:  # noqa: BLE001 (of memray: anything; a full disk)
            answer = error_answer(error)
        self._write(taking.request, answer)

    def _write(self, request: Request, answer: bytes) -> None:
        try:
            write_answer(request, self._profiles, self._slot, answer)
        except OSError:
            self._failures += 1

    def _begin_stretch(self, now: float) -> None:
        self._record = Samples()
        self._record_until = now + self._stretch_seconds
        self._stretch_seconds = min(2 * self._stretch_seconds, STRETCH_SECONDS)

    def _write_record(self) -> None:
        if self._record.count:
            self._file.append(Stretch.of(self._record, self._slot, self._generation))
        remove_old(self._profiles, time.time())

    def _adjust(self, now: float) -> None:
        """Sample less often if that takes too much, and more often again if it takes little."""
        own, used = time.thread_time(), time.process_time()
        share = share_of(own - self._own_seconds, used - self._used, now - self._looked_at)
        self._looked_at, self._own_seconds, self._used = now, own, used
        if self._period is not None and self._shortest is not None and not self._taking:
            self._period = period_after(self._period, share, self._shortest)
