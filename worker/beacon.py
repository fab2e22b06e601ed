"""A few words of memory shared by launcher and worker, readable after the worker's death.

A worker that is killed in the middle of an action cannot report which input it was working on, but
the launcher has to know: that input is the prime suspect. So before a worker enters user code it
writes the input's offset into its beacon, a store of eight bytes, and the launcher reads it when
the worker is dead or hangs.

Only what is being executed is named: plain actions, and the steps of asynchronous ones (see
`tasks/tracking.py`). Among the runs that wait on the event loop none is more suspect than
another, so no input is named then. Code on threads of its own is not named either.
"""

from __future__ import annotations

import mmap
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WORD_BYTES: Final = 8
_BYTES_PER_SLOT: Final = 64

_INPUT: Final = 0
"""Offset + 1 of the input whose code is executed; 0 for none."""
_BEGAN: Final = 1
"""When that began, in monotonic nanoseconds; only kept up to date where runs have a time limit."""
_BEAT: Final = 2
"""When the event loop was last seen alive, in monotonic nanoseconds."""
_IS_ASYNC: Final = 3
"""1 while the code is a step of an asynchronous action."""
_ACTION: Final = 4
"""Number + 1 of an action of the agent."""
_ACTION_OF: Final = 5
"""Offset + 1 of the input whose action that is; 0: of each that is named."""
_HALT: Final = 6
"""1: the worker is to begin nothing more. The message that says so may be behind others."""
_WORDS: Final = 7

SLOTS: Final = 1024
"""How many slots a pool may have at the same time."""


class Beacon:
    """The beacon of one slot: its worker writes it, and the launcher reads it."""

    __slots__ = ("_actions", "_words")

    def __init__(self, words: memoryview | None = None) -> None:
        """`words` are seven integers of eight bytes; without them the memory is private."""
        if words is None:
            words = memoryview(bytearray(_WORDS * _WORD_BYTES)).cast("Q")
        self._words = words
        self._actions: dict[str, int] = {}

    # -- the worker's side --------------------------------------------------------------------

    def know_actions(self, names: Iterable[str]) -> None:
        """Number the agent's actions."""
        self._actions = {name: number for number, name in enumerate(names, 1)}

    def naming(self, action: str) -> Callable[[int], None]:
        """Return `name_input`, for inputs that all start this action."""
        self._words[_ACTION] = self._actions.get(action, 0)
        self._words[_ACTION_OF] = 0
        return self.name_input

    def name_action(self, action: str, offset: int) -> None:
        """Name the action of an input that begins now."""
        self._words[_ACTION] = self._actions.get(action, 0)
        self._words[_ACTION_OF] = offset + 1

    def name_input(self, offset: int) -> None:
        """Name the input whose code is executed from now on."""
        self._words[_INPUT] = offset + 1

    def name_call(self, offset: int) -> None:
        """Name an input and note the time: a plain action with a time limit begins."""
        words = self._words
        words[_BEGAN] = time.monotonic_ns()  # first, or the input would show with an older time
        words[_IS_ASYNC] = 0
        words[_INPUT] = offset + 1

    def name_step(self, offset: int) -> None:
        """Name an input and note the time: a step of an action with a time limit begins."""
        words = self._words
        words[_BEGAN] = time.monotonic_ns()
        words[_IS_ASYNC] = 1
        words[_INPUT] = offset + 1

    def name_none(self) -> None:
        """No user code is executed from now on."""
        self._words[_INPUT] = 0

    def end_step(self) -> None:
        """End what `name_step` has begun."""
        words = self._words
        words[_INPUT] = 0
        words[_IS_ASYNC] = 0

    def beat(self) -> None:
        """Record that the event loop is alive."""
        self._words[_BEAT] = time.monotonic_ns()

    @property
    def is_to_halt(self) -> bool:
        """Whether the launcher wants the worker to begin nothing more."""
        return bool(self._words[_HALT])

    def become_private(self) -> None:
        """Go on in memory of its own."""
        self._words = memoryview(bytearray(self._words)).cast("Q")

    def release(self) -> None:
        """Give up the memory: every further use is a ValueError."""
        self._words.release()

    # -- the launcher's side ------------------------------------------------------------------

    @property
    def offset(self) -> int | None:
        """The input whose code is executed (or was, if the worker is dead); None for none."""
        word = self._words[_INPUT]
        return word - 1 if word else None

    def action_of(self, offset: int) -> int | None:
        """The number, from 0, of the action that this input is in; None if it is not known."""
        number, of = self._words[_ACTION], self._words[_ACTION_OF]
        return number - 1 if number and of in (0, offset + 1) else None

    @property
    def seconds(self) -> float:
        """Since when that is executed; 0.0 if nothing is, or runs have no time limit."""
        began = self._words[_BEGAN]
        return (time.monotonic_ns() - began) / 1e9 if self._words[_INPUT] and began else 0.0

    @property
    def is_async(self) -> bool:
        """Whether it is a step of an asynchronous action, for which the loop waits."""
        return bool(self._words[_IS_ASYNC])

    @property
    def pulse(self) -> int:
        """A number that changes every second while the loop is alive; 0 when that is unknown.

        It is unknown while a synchronous action runs, which has the right to block the loop, and
        before the loop's first turn.
        """
        return 0 if self._words[_INPUT] else self._words[_BEAT]

    @property
    def beat_at(self) -> int:
        """When the loop was last seen alive, in monotonic nanoseconds, whatever is executed."""
        return self._words[_BEAT]

    def halt(self) -> None:
        """Have the worker begin nothing more."""
        self._words[_HALT] = 1

    def clear(self) -> None:
        """Erase what a dead worker has left."""
        for word in range(_WORDS):
            self._words[word] = 0


class Beacons:
    """The beacons of all slots of a pool, in one small file."""

    def __init__(self, path: Path) -> None:
        """Create the file, or open the one that is there; its content is kept.

        It has room for `SLOTS` slots from the outset, because it cannot grow while other processes
        have it mapped.
        """
        size = SLOTS * _BYTES_PER_SLOT
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(file, 0, size)  # a full disk must not become a SIGBUS later
            self._map = mmap.mmap(file, size)  # with a descriptor of its own
        finally:
            os.close(file)
        self._view = memoryview(self._map).cast("Q")

    def __getitem__(self, slot: int) -> Beacon:
        first = slot * _BYTES_PER_SLOT // _WORD_BYTES
        return Beacon(self._view[first : first + _WORDS])

    def close(self) -> None:
        """Unmap the file."""
        self._view.release()
        self._map.close()
