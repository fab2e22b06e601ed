"""For which input code is executed, as another thread sees it: its action and its key.

The beacon names the input of the main thread, a table those of the pools' threads, and a task that
belongs to a run knows its own. The engine knows the action and the key of an input that is under
way.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from ...agent.errors import TamiasError
from ...store.encoding.keys import GROUP, decode_key
from ..tasks.executing import offsets_of_threads
from ..tasks.tracking import offset_of_task

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ..beacon import Beacon

__all__ = ["Owner", "Owners"]


class Owner(NamedTuple):
    """The run for which code is executed.

    Attributes:
        offset: its number.
        action: the action that is under way; empty if it is not known any more.
        key: the encoded key; empty if it is not known any more.
    """

    offset: int
    action: str = ""
    key: bytes = b""

    @property
    def key_text(self) -> str:
        """The key as people read it; empty if it is not known."""
        key = self.plain_key
        if not key:
            return ""
        if key[:1] == b"p":  # it would have to be unpickled, in this thread
            return "(an object)"
        try:
            return repr(decode_key(key))
        except TamiasError:
            return repr(key)

    @property
    def plain_key(self) -> bytes:
        """The encoded key without Flink's key group."""
        return self.key[3:] if self.key[:1] == GROUP else self.key


class Owners:
    """Finds the run for which a thread or a task executes code.

    Args:
        beacon: the worker's; None if there is none yet.
        execution_of: the action and the key of a run that is under way.
    """

    def __init__(
        self,
        beacon: Beacon | None = None,
        execution_of: Callable[[int], tuple[str, bytes] | None] = lambda _: None,
    ) -> None:
        self._beacon = beacon
        self._execution_of = execution_of

    def of_thread(self, ident: int) -> Owner | None:
        """The run for which a thread executes a function now; None if there is none."""
        if ident == threading.main_thread().ident:
            offset = None if self._beacon is None else self._beacon.offset
        else:
            offset = offsets_of_threads.get(ident)
        return self._owner(offset)

    def of_task(self, task: asyncio.Task[Any]) -> Owner | None:
        """The run to which a task belongs; None for none."""
        return self._owner(offset_of_task(task))

    def _owner(self, offset: int | None) -> Owner | None:
        if offset is None:
            return None
        found = self._execution_of(offset)
        return Owner(offset) if found is None else Owner(offset, *found)
