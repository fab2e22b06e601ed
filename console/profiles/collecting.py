"""Collects profiles of a job: asked of its workers now, or from what they have recorded.

A worker that does not answer, and one whose frames of C are wanted, is looked at from outside.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, NamedTuple

from ...agent.errors import (
    MissingExtraError,
    PoolError,
    StoreUnwritableError,
    TamiasError,
    UsageError,
)
from ...worker.profiling.profile import Profile
from ...worker.profiling.recording import Stretch, stretches_in
from ..workers.asking import ask, workers_of
from .outside import stretch_from_outside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...store.state.directory import StateView
    from ..workers.asking import Worker

__all__ = ["Collected", "Wanted", "ask_workers", "joined", "recorded"]

_AT_ONCE: Final = 8
"""Workers that are looked at from outside at the same time."""


class Wanted(NamedTuple):
    """What is to be profiled.

    Attributes:
        seconds: for how long.
        hz: samples a second.
        worker: of which worker; None for all.
        action: only this action; empty for all.
        tasks: whether tasks that wait are looked at.
        keys: encoded keys: only what is done for one of them; None for all.
        by_key: whether keys are shown, as frames below the actions.
        native: whether frames of C are shown, by py-spy.
        cpu: whether only CPU time is wanted.
        outside: whether workers that do not answer are looked at from outside.
    """

    seconds: float = 10.0
    hz: float = 100.0
    worker: int | None = None
    action: str = ""
    tasks: bool = False
    keys: tuple[bytes, ...] | None = None
    by_key: bool = False
    native: bool = False
    cpu: bool = False
    outside: bool = True

    @property
    def is_of_runs(self) -> bool:
        """Whether only the worker itself can answer: py-spy knows neither tasks nor keys."""
        return self.tasks or self.keys is not None or self.by_key


class Collected(NamedTuple):
    """What came of it.

    Attributes:
        stretches: what workers have answered, or py-spy has seen.
        silent: the workers of which there is nothing, and why, as far as that can be seen.
        outside: the workers that py-spy has looked at, and why.
    """

    stretches: list[Stretch]
    silent: dict[int, str]
    outside: dict[int, str] = {}  # noqa: RUF012 (not changed)


def ask_workers(
    view: StateView, wanted: Wanted, *, waiting: Callable[[float], None] | None = None
) -> Collected:
    """Have the workers of a running job sample, and return their answers.

    `waiting` is called now and then with the share (0 to 1) of the time that has passed.

    Raises:
        PoolError: the job does not run, or has no such worker.
        StoreUnwritableError: its directory is another user's.
        MissingExtraError: frames of C are wanted, and py-spy is not installed.
    """
    workers = workers_of(view, wanted.worker)
    if wanted.native:
        if wanted.is_of_runs:
            raise UsageError(
                "Frames of C are seen from outside, where keys and tasks are not known.",
                hint="Leave out --native, or --key, --keys and --mode await.",
            )
        return _from_outside(view, wanted, dict.fromkeys(workers, ""), workers, waiting)
    may_look = wanted.outside and not wanted.is_of_runs
    try:
        answers = ask(
            view,
            workers,
            waiting=waiting,
            hz=wanted.hz,
            seconds=wanted.seconds,
            tasks=wanted.tasks,
            action=wanted.action,
            keys=wanted.by_key or wanted.keys is not None,
            only=None if wanted.keys is None else [key.hex() for key in wanted.keys],
        )
    except StoreUnwritableError as error:  # a full disk, or that of another user
        reasons = dict.fromkeys(workers, str(error.args[0]))
        seen = _from_outside(view, wanted, reasons, workers, waiting) if may_look else None
        if seen is None or not seen.stretches:
            raise
        return seen
    stretches = []
    silent = {slot: silence.reason for slot, silence in answers.silent.items()}
    for slot, answer in answers.found.items():
        try:
            stretches.append(Stretch.decode(answer))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            silent[slot] = _error_in(answer) or f"its answer cannot be read ({error})"
    living = {slot: silent[slot] for slot, each in answers.silent.items() if each.lives}
    if not living or not may_look:
        return Collected(stretches, silent)
    seen = _from_outside(view, wanted, living, workers, waiting)
    silent = {slot: why for slot, why in silent.items() if slot not in seen.outside}
    return Collected(stretches + seen.stretches, {**silent, **seen.silent}, seen.outside)


def _error_in(answer: bytes) -> str:
    """The error with which a worker has answered; empty if that is none."""
    try:
        found = json.loads(answer)
    except ValueError:
        return ""
    return str(found["error"]) if isinstance(found, dict) and "error" in found else ""


def _from_outside(
    view: StateView,
    wanted: Wanted,
    reasons: dict[int, str],
    workers: dict[int, Worker],
    waiting: Callable[[float], None] | None,
) -> Collected:
    """Have py-spy look at workers; `reasons` are why they have not answered."""

    def look(slot: int) -> Stretch | TamiasError:
        try:
            return stretch_from_outside(
                workers[slot],
                view.layout.recorded_profile(slot),
                seconds=wanted.seconds,
                hz=wanted.hz,
                native=wanted.native,
                cpu=wanted.cpu,
                waiting=waiting if slot == min(reasons) else None,
            )
        except MissingExtraError as error:
            if wanted.native:
                raise
            return error
        except PoolError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as threads:
        found = dict(zip(reasons, threads.map(look, reasons), strict=True))
    stretches, silent, outside = [], {}, {}
    for slot, each in found.items():
        if isinstance(each, Stretch):
            stretches.append(each)
            outside[slot] = reasons[slot]
        else:
            why = f"{each.args[0]} {each.hint}".strip()
            silent[slot] = f"{reasons[slot]}. {why}" if reasons[slot] else why
    return Collected(stretches, silent, outside)


def recorded(
    view: StateView, since: float, until: float, worker: int | None = None
) -> list[Stretch]:
    """What workers have recorded between two moments, in seconds since the epoch.

    Raises:
        UsageError: nothing is recorded of that time.
    """
    found = [
        stretch
        for path in sorted(view.layout.profiles.glob("worker-*.jsonl"))
        for stretch in stretches_in(path, since, until)
        if stretch.began + stretch.seconds >= since
        and stretch.began <= until
        and worker in (None, stretch.slot)
    ]
    if not found:
        raise UsageError(
            "Nothing is recorded of that time.",
            hint="Workers record every ten seconds, unless the option profile-rate is 0.",
        )
    return found


def joined(stretches: Iterable[Stretch], mode: str, action: str = "") -> Profile:
    """One profile of several stretches: of `mode` "wall", "cpu" or "await"."""
    profile = Profile()
    root = f"action {action}"
    for stretch in stretches:
        part = {"wall": stretch.wall, "cpu": stretch.cpu, "await": stretch.waits}[mode]
        for stack, seconds in part.seconds.items():
            if not action or (stack and stack[0].name == root):
                profile.add(stack, seconds)
    return profile
