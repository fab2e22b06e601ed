"""The profiler of a worker: a thread that samples all the time, and more closely when asked.

It samples 20 times a second, which costs a thousandth of a core, and writes what it has seen every
ten seconds; so one can look at where the time went in the last hour, also if the worker is dead by
now. A request (`recording`) has it sample at another rate for a while, into a profile of its own.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ...agent.config.profile_options import ProfileOptions
from ...store.state.layout import StateLayout
from ..tasks.thread_pool import threads_are_replaced
from .recording import Stretch, StretchFile, requests_in, write_answer
from .sampler import Sampler, Samples, action_codes, period_after

if TYPE_CHECKING:
    import asyncio
    import os
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ...agent.plan import AgentPlan
    from .profile import Stack
    from .recording import Request

__all__ = ["Profiler"]

STRETCH_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 1.0
"""How often it looks for requests."""


@contextmanager
def profiling(
    state: str | os.PathLike[str],
    plan: AgentPlan,
    worker: tuple[int, int],
    loop: asyncio.AbstractEventLoop,
    idle: Callable[..., object],
) -> Iterator[None]:
    """In this block, a worker is profiled.

    `worker` are its slot and generation; it waits for work in the function `idle`. Where a library
    has replaced threads by something else, there can be no profile.
    """
    if threads_are_replaced():
        yield
        return
    codes = action_codes({name: action.fn for name, action in plan.actions.items()})
    sampler = Sampler(codes, {idle.__code__})
    hz = plan.config.get(ProfileOptions.RATE)
    profiles = StateLayout(state).profiles
    profiler = Profiler(sampler, loop, profiles, *worker, hz=hz)
    profiler.start()
    try:
        yield
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
        self._hz = hz
        self._file = StretchFile(profiles / f"worker-{slot}.jsonl")
        self._answered: set[str] = set()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tamias-profiler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, and write what was seen last."""
        self._ended.set()
        self._thread.join(timeout=2.0)

    def _run(self) -> None:
        while not self._ended.is_set():
            request = next(self._requests(), None)
            if request is not None:
                self._answered.add(request.id)
                self._answer(request)
            elif self._hz:
                self._record()
            else:
                self._ended.wait(LOOK_SECONDS)

    def _requests(self) -> Iterator[Request]:
        return (
            request
            for request in requests_in(self._profiles, self._slot, time.time())
            if request.id not in self._answered
        )

    def _record(self) -> None:
        """Sample a stretch; end it early when there is a request."""
        samples = Samples()
        period = 1 / self._hz
        until = time.monotonic() + STRETCH_SECONDS
        look_at = time.monotonic() + LOOK_SECONDS
        self._sampler.start()
        while not self._ended.wait(period):
            before = self._sampler.own_seconds
            self._sampler.sample(samples)
            period = period_after(period, (self._sampler.own_seconds - before) / period)
            now = time.monotonic()
            if now >= until:
                break
            if now >= look_at:
                look_at = now + LOOK_SECONDS
                if next(self._requests(), None) is not None:
                    break
        if samples.count:
            self._file.append(Stretch.of(samples, self._slot, self._generation))

    def _answer(self, request: Request) -> None:
        """Sample what is asked for, and write it where it is expected."""
        try:
            request.begun(self._profiles, self._slot).touch()
        except OSError:
            return  # nobody waits for it any more
        samples = Samples()
        root = f"action {request.action}"

        def of_action(stack: Stack) -> bool:
            return bool(stack) and stack[0].name == root

        wanted = of_action if request.action else None
        until = time.monotonic() + request.seconds
        self._sampler.start()
        last = time.monotonic()
        while not self._ended.wait(min(1 / request.hz, max(0.0, until - time.monotonic()))):
            self._sampler.sample(samples, wanted)
            now = time.monotonic()
            if request.tasks:
                self._sampler.sample_tasks(samples, self._loop, now - last, wanted)
            last = now
            if now >= until:
                break
        try:
            stretch = Stretch.of(samples, self._slot, self._generation)
            write_answer(request.answer(self._profiles, self._slot), stretch)
        except OSError:
            self._file.failures += 1
