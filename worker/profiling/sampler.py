"""A thread that looks at what all other threads of the process are executing, many times a second.

**What a sample is worth.** The thread needs the interpreter's lock to look. While C code holds the
lock, it waits, and then finds the interpreter in whatever follows; so counting samples would show
too little of such code. Each sample therefore counts for the time of all moments at which one was
due (`moments.py`): the wait counts for the stack in which it ends, which is that of the code that
called into C. That holds if the lock is asked for soon: by default, a thread that waits for it does
so only after five milliseconds, and gets it before if the other one releases it by itself, so that
all time would seem to be spent where it is released. So around each sample, that time is shorter
(`prompt_switching`).

**CPU time.** A thread that waits when it is seen may have used much time since the last sample, for
something else. So the kernel is asked for the thread's state. If it runs, or waits for the lock
(which it then had until now), all its CPU time that is not counted yet is that of its stack;
otherwise that time is left for the next sample.

**What a stack looks like.** Frames of tamias around an action are replaced by one frame that names
the action; the key can be the next one. What is not in an action is below a frame that says what it
is: the worker itself, a thread of the agent, or nothing ("idle") if the thread waits for work.

**What it costs.** A sample takes ten to two hundred microseconds. The profiler's thread times
itself, and if it takes more than a hundredth of the process's CPU time, it samples half as often.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..tasks.stacks import chain_of
from ..tasks.thread_pool import THREAD_POOL_FILE
from .owners import Owners
from .profile import Frame, Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from types import CodeType, FrameType

    from .owners import Owner
    from .profile import Stack

__all__ = ["IDLE", "Sampler", "Samples", "Seen"]

IDLE: Final = "(idle)"
WORKER: Final = "(worker)"
ACTION: Final = "action "
_DEEPEST: Final = 200
"""Frames of a stack that are kept, the innermost ones."""
_MOST_TASKS: Final = 256
_LEAST_USED: Final = 0.00001
"""CPU time that is worth a look at the thread's state."""
_MOST_CLOCKS: Final = 1000
_MOST_CODE: Final = 20_000
"""Code objects whose frames are kept: code that is made anew all the time must not stay."""
_LARGEST_SHARE: Final = 0.01
_SMALL_SHARE: Final = 0.002
_LEAST_BASE: Final = 0.25
_LONGEST_PERIOD: Final = 1.0
_WAITING_NAMES: Final = ("select", "_worker", "_serve", "wait")
_WAITING_FILES: Final = (
    "/selectors.py",
    "/concurrent/futures/thread.py",
    "/threading.py",
    "/worker/tasks/thread_pool.py",
)


class Seen(NamedTuple):
    """What one thread or task was seen in.

    Attributes:
        stack: the stack; empty for a task of no run.
        seconds: that have passed since it was looked at before.
        cpu: the CPU time that the thread has used since.
        owner: the run for which it works; None for none.
    """

    stack: Stack
    seconds: float
    cpu: float = 0.0
    owner: Owner | None = None


class Samples:
    """What was seen in a stretch of time.

    Attributes:
        wall: seconds that have passed.
        cpu: seconds of CPU time.
        waits: seconds for which tasks have waited, by what they wait in.
        began: when it began, in seconds since the epoch.
        count: the number of samples.
        keys: whether the key is a frame below that of the action.
        wanted: what is added; None for all.
    """

    __slots__ = ("began", "count", "cpu", "keys", "waits", "wall", "wanted")

    def __init__(self, wanted: Callable[[Seen], bool] | None = None, *, keys: bool = False) -> None:
        self.wall = Profile()
        self.cpu = Profile()
        self.waits = Profile()
        self.began = time.time()
        self.count = 0
        self.keys = keys
        self.wanted = wanted

    def add_threads(self, seen: list[Seen]) -> None:
        """Add one sample of all threads."""
        self.count += 1
        for each in seen:
            if self.wanted is None or self.wanted(each):
                stack = self._stack(each)
                self.wall.add(stack, each.seconds)
                if each.cpu > 0:
                    self.cpu.add(stack, each.cpu)

    def add_tasks(self, seen: list[Seen]) -> None:
        """Add one sample of all tasks."""
        for each in seen:
            if each.stack and (self.wanted is None or self.wanted(each)):
                self.waits.add(self._stack(each), each.seconds)

    def _stack(self, seen: Seen) -> Stack:
        stack, owner = seen.stack, seen.owner
        if not self.keys or owner is None or not stack or not stack[0].name.startswith(ACTION):
            return stack
        return (stack[0], Frame(f"key {owner.key_text or '?'}"), *stack[1:])


class Sampler:
    """Samples all threads but its own; see the module's text.

    Args:
        actions: the names of actions, by the code of their functions.
        idle: code in which the main thread waits for work, besides that of Python's own loops.
    """

    def __init__(
        self, actions: Mapping[CodeType, str], idle: Collection[CodeType] = frozenset()
    ) -> None:
        self._actions = actions
        self._idle = frozenset(idle)
        self._clocks: dict[int, int] = {}
        """The clocks of threads."""
        self._counted: dict[int, tuple[float, float]] = {}
        """By thread, the CPU time that is in samples, and until which moment that is."""
        self._numbers: dict[int, int] = {}
        """The kernel's numbers of threads."""
        self._frames: dict[CodeType, Frame] = {}
        self._last = time.monotonic()
        self.owners = Owners()

    def start(self) -> None:
        """Begin a stretch of time: the next sample counts from here."""
        self._last = time.monotonic()
        self._forget()
        for ident in sys._current_frames():  # noqa: SLF001 (documented)
            self._counted[ident] = self._last, self._cpu_time(ident)

    def sample(
        self, weight: float | None = None, *, late: bool = True, since: float = 0.0
    ) -> list[Seen]:
        """Look at all threads but this one, once.

        Args:
            weight: for how many seconds the sample counts; without it, those since the last one.
            late: whether this thread may have had to wait for the interpreter's lock.
            since: the seconds since the sample was due.
        """
        now = time.monotonic()
        if weight is None:
            weight = now - self._last
        self._last = now
        own = threading.get_ident()
        main = threading.main_thread().ident
        names: dict[int, str] = {}
        found: list[tuple[int, Seen]] = []
        frames = sys._current_frames()  # noqa: SLF001 (documented)
        frames.pop(own, None)
        for ident, frame in frames.items():
            if ident != main and not names:
                names = {
                    thread.ident: thread.name
                    for thread in threading.enumerate()
                    if thread.ident is not None
                }
            owner = self.owners.of_thread(ident)
            thread = "" if ident == main else names.get(ident, "?")
            stack = self.stack_of(frame, thread, owner)
            found.append((ident, Seen(stack, weight, 0.0, owner)))
        return [
            each._replace(cpu=self._used(ident, now - since, late=late)) for ident, each in found
        ]

    def _used(self, ident: int, due: float, *, late: bool) -> float:
        """The CPU time that counts for the stack in which a thread was seen.

        What it has used after the moment when the sample was due is left for the next one: C code
        that holds the lock would always have its time up to its end, and that of others before it.
        """
        now, used = time.monotonic(), self._cpu_time(ident)
        before, counted = self._counted.setdefault(ident, (due, used))
        if used - counted < _LEAST_USED or not self._uses_processor(ident, late=late):
            return 0.0
        part = min(1.0, max(0.0, due - before) / max(now - before, 1e-9))
        counts = part * (used - counted)
        self._counted[ident] = due, counted + counts
        return counts

    def _uses_processor(self, ident: int, *, late: bool) -> bool:
        """Whether a thread runs, or would if it had the interpreter's lock.

        It can only wait for the lock because of this thread, which was late then.
        """
        number = self._numbers.get(ident)
        if number is None:
            self._numbers.update(
                (thread.ident, thread.native_id)
                for thread in threading.enumerate()
                if thread.ident is not None and thread.native_id is not None
            )
            # The main thread of a forked process has still that of its parent, for Python.
            self._numbers[threading.main_thread().ident or 0] = os.getpid()
            number = self._numbers.get(ident)
        if number is None:
            return True
        state = _read(f"/proc/self/task/{number}/stat").rpartition(b")")[2][1:2]
        if state != b"S":
            return state == b"R"
        waits_in = _read(f"/proc/self/task/{number}/wchan") if late else b"?"
        return late and (waits_in in {b"", b"0"} or b"futex" in waits_in)

    def sample_tasks(self, loop: asyncio.AbstractEventLoop, passed: float) -> list[Seen]:
        """Look at the tasks of a loop that wait, once, for `passed` seconds.

        Of more than a few hundred tasks only the first are looked at.
        """
        try:
            tasks = asyncio.all_tasks(loop)
        except RuntimeError:  # the set has changed too often meanwhile
            return []
        found = []
        for task in list(tasks)[:_MOST_TASKS]:
            owner = self.owners.of_task(task)
            frames, _ = chain_of(task.get_coro())
            stack = self._task_stack(frames, owner)
            if stack:
                found.append(Seen(stack, passed, 0.0, owner))
        return found

    def _task_stack(self, frames: list[FrameType], owner: Owner | None) -> Stack:
        """The stack of a chain of coroutines, from the action on; empty if there is no action."""
        for place, frame in enumerate(frames):
            action = self._actions.get(frame.f_code)
            if action is not None:
                inner = [self._frame(each.f_code) for each in frames[place:]]
                return (Frame(f"{ACTION}{action}"), *inner[-_DEEPEST:])
        if owner is None or not owner.action or not frames:
            return ()  # a task that an action has started has a chain of its own
        inner = [self._frame(each.f_code) for each in frames]
        return (Frame(f"{ACTION}{owner.action}"), *inner[-_DEEPEST:])

    def _cpu_time(self, ident: int) -> float:
        """The CPU time that a thread has used; 0.0 if it has ended."""
        try:
            clock = self._clocks.get(ident)
            if clock is None:
                if len(self._clocks) > _MOST_CLOCKS:
                    self._forget()
                clock = self._clocks[ident] = time.pthread_getcpuclockid(ident)
            return time.clock_gettime(clock)
        except OSError:
            for known in (self._clocks, self._counted, self._numbers):
                known.pop(ident, None)
            return 0.0

    def _forget(self) -> None:
        self._clocks.clear()
        self._counted.clear()
        self._numbers.clear()

    def stack_of(self, frame: FrameType | None, thread: str, owner: Owner | None) -> Stack:
        """The stack of a frame, the outermost frame first.

        `thread` is the name of its thread, empty for the main one; `owner` the run for which that
        works, if it does.
        """
        root = Frame(f"(thread {thread})") if thread else Frame(WORKER)
        is_waiting = frame is not None and self._waits(frame)
        is_for_run = bool(thread) and owner is not None and bool(owner.action)
        frames: list[Frame] = []
        while frame is not None:
            code = frame.f_code
            action = self._actions.get(code)
            if is_for_run and action is None and code.co_filename == THREAD_POOL_FILE:
                action = owner.action if owner is not None else None
            else:
                frames.append(self._frame(code))
            if action is not None:
                frames.append(Frame(f"{ACTION}{action}"))
                break
            if len(frames) > _DEEPEST:
                frames.append(Frame("(...)"))
                break
            frame = frame.f_back
        else:
            if is_waiting:  # in no action
                return (Frame(IDLE), root) if thread else (Frame(IDLE),)
            frames.append(root)
        frames.reverse()
        return tuple(frames)

    def _waits(self, frame: FrameType) -> bool:
        code = frame.f_code
        return code in self._idle or (
            code.co_name in _WAITING_NAMES and code.co_filename.endswith(_WAITING_FILES)
        )

    def _frame(self, code: CodeType) -> Frame:
        known = self._frames.get(code)
        if known is None:
            name = getattr(code, "co_qualname", code.co_name)  # from Python 3.11 on
            known = Frame(name, code.co_filename, code.co_firstlineno)
            if len(self._frames) >= _MOST_CODE:
                self._frames.clear()
            self._frames[code] = known
        return known


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 (quicker)
            return file.read(512)
    except OSError:  # the thread has ended
        return b""


@contextmanager
def prompt_switching(seconds: float) -> Iterator[None]:
    """In this block, a thread that waits so long for the interpreter's lock asks for it.

    While C code holds the lock, it does so again and again, each time for some microseconds.
    """
    before = sys.getswitchinterval()
    if before > seconds:
        sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def share_of(own: float, used: float, passed: float) -> float:
    """The share of its own CPU time in what the process has used, all in seconds.

    Of a process that has used little, it is that in a part of the time that has passed. A process
    that waits for a processor gets little, and must not spend it on being looked at.
    """
    base = max(used, passed * _LEAST_BASE)
    return own / base if base > 0 else 0.0


def period_after(period: float, share: float, shortest: float) -> float:
    """The period of sampling after a second in which sampling took such a share."""
    if share > _LARGEST_SHARE:
        return min(period * 2, max(_LONGEST_PERIOD, shortest))
    if share < _SMALL_SHARE:
        return max(period / 2, shortest)
    return period


def action_codes(actions: Mapping[str, Any]) -> dict[CodeType, str]:
    """The names of actions by the code of their functions, of those that are Python functions."""
    found: dict[CodeType, str] = {}
    for name, function in actions.items():
        inner: Any = getattr(function, "__func__", function)
        while hasattr(inner, "__wrapped__"):
            inner = inner.__wrapped__
        code = getattr(inner, "__code__", None)
        if code is not None:
            found[code] = name
    return found
