"""A thread that looks at what all other threads of the process are executing, many times a second.

**What a sample is worth.** The thread needs the interpreter's lock to look. While C code holds the
lock, it waits, and then finds the interpreter in whatever follows; so counting samples would show
too little of such code. Each sample is therefore worth the time that has passed since the last one:
the wait counts for the stack in which it ends, which is that of the code that called into C. Beside
that, each sample is worth the CPU time that its thread has used since, by the thread's own clock.

**What a stack looks like.** Frames of tamias around an action are replaced by one frame that names
the action. What is not in an action is below a frame that says what it is: the worker itself, a
thread of the agent, or nothing ("idle") if the thread waits for work.

**What it costs.** A sample takes ten to two hundred microseconds. The thread times itself, and if
it takes more than a hundredth of the time, it samples half as often.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from ..own_code import OWN_FOLDERS
from ..tasks.stacks import chain_of
from .profile import Frame, Profile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import CodeType, FrameType

    from .profile import Stack

__all__ = ["IDLE", "Sampler", "Samples"]

IDLE: Final = "(idle)"
WORKER: Final = "(worker)"
_DEEPEST: Final = 200
"""Frames of a stack that are kept, the innermost ones."""
_MOST_TASKS: Final = 256
_LARGEST_SHARE: Final = 0.01
_LONGEST_PERIOD: Final = 1.0
_WAITING_NAMES: Final = ("select", "_worker", "wait")
_WAITING_FILES: Final = ("/selectors.py", "/concurrent/futures/thread.py", "/threading.py")


class Samples:
    """What was seen in a stretch of time.

    Attributes:
        wall: seconds that have passed.
        cpu: seconds of CPU time.
        waits: seconds for which tasks have waited, by what they wait in.
        began: when it began, in seconds since the epoch.
        count: the number of samples.
    """

    __slots__ = ("began", "count", "cpu", "waits", "wall")

    def __init__(self) -> None:
        self.wall = Profile()
        self.cpu = Profile()
        self.waits = Profile()
        self.began = time.time()
        self.count = 0


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
        self._clocks: dict[int, tuple[int, float]] = {}
        """By thread, its clock and the CPU time of the last sample."""
        self._frames: dict[CodeType, Frame] = {}
        self._last = time.monotonic()
        self.own_seconds = 0.0
        """CPU time that sampling has taken."""

    def start(self) -> None:
        """Begin a stretch of time: the next sample counts from here."""
        self._last = time.monotonic()
        self._clocks.clear()
        for ident in sys._current_frames():  # noqa: SLF001 (documented)
            self._cpu_since(ident)

    def sample(self, samples: Samples, wanted: Callable[[Stack], bool] | None = None) -> None:
        """Look once, and add what is seen.

        Args:
            samples: what to add to.
            wanted: whether a stack counts; None for all.
        """
        began = time.thread_time()
        now = time.monotonic()
        passed, self._last = now - self._last, now
        own = threading.get_ident()
        main = threading.main_thread().ident
        names: dict[int, str] = {}
        samples.count += 1
        for ident, frame in sys._current_frames().items():  # noqa: SLF001 (documented)
            if ident == own:
                continue
            if ident != main and not names:
                names = {
                    thread.ident: thread.name
                    for thread in threading.enumerate()
                    if thread.ident is not None
                }
            used = self._cpu_since(ident)
            stack = self._stack(frame, "" if ident == main else names.get(ident, "?"))
            if wanted is not None and not wanted(stack):
                continue
            samples.wall.add(stack, passed)
            if used > 0:
                samples.cpu.add(stack, used)
        self.own_seconds += time.thread_time() - began

    def sample_tasks(
        self,
        samples: Samples,
        loop: asyncio.AbstractEventLoop,
        passed: float,
        wanted: Callable[[Stack], bool] | None = None,
    ) -> None:
        """Look at the tasks of a loop that wait, and add what is seen; for `passed` seconds.

        Of more than a few hundred tasks only the first are looked at.
        """
        began = time.thread_time()
        try:
            tasks = asyncio.all_tasks(loop)
        except RuntimeError:  # the set has changed too often meanwhile
            return
        for task in list(tasks)[:_MOST_TASKS]:
            frames, _ = chain_of(task.get_coro())
            stack = self._task_stack(frames)
            if stack and (wanted is None or wanted(stack)):
                samples.waits.add(stack, passed)
        self.own_seconds += time.thread_time() - began

    def _task_stack(self, frames: list[FrameType]) -> Stack:
        """The stack of a chain of coroutines, from the action on; empty if there is no action."""
        for place, frame in enumerate(frames):
            action = self._actions.get(frame.f_code)
            if action is not None:
                inner = [self._frame(each.f_code) for each in frames[place:]]
                return (Frame(f"action {action}"), *inner[-_DEEPEST:])
        return ()

    def _cpu_since(self, ident: int) -> float:
        """The CPU time of a thread since the last sample."""
        try:
            known = self._clocks.get(ident)
            clock = time.pthread_getcpuclockid(ident) if known is None else known[0]
            used = time.clock_gettime(clock)
        except OSError:  # the thread has ended
            self._clocks.pop(ident, None)
            return 0.0
        self._clocks[ident] = clock, used
        return 0.0 if known is None else max(0.0, used - known[1])

    def _stack(self, frame: FrameType | None, thread: str) -> Stack:
        """The stack of a frame, the outermost frame first."""
        root = Frame(f"(thread {thread})") if thread else Frame(WORKER)
        is_waiting = frame is not None and self._waits(frame)
        frames: list[Frame] = []
        while frame is not None:
            code = frame.f_code
            action = self._actions.get(code)
            frames.append(self._frame(code))
            if action is not None:
                frames.append(Frame(f"action {action}"))
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
            if len(self._frames) > 100_000:
                self._frames.clear()
            self._frames[code] = known
        return known


def period_after(period: float, share: float) -> float:
    """The period of sampling that follows one in which sampling took a share of the time."""
    if share > _LARGEST_SHARE:
        return min(period * 2, _LONGEST_PERIOD)
    return period


def is_own(frame: Frame) -> bool:
    """Whether a frame is one of tamias."""
    return frame.file.startswith(OWN_FOLDERS)


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
