"""What `tamias dev` does around actions: tracebacks at once, and a debugger on request."""

from __future__ import annotations

from bdb import BdbQuit
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...worker.engine.failures import user_traceback
from ...worker.intercepting.context import abandon, described
from ...worker.intercepting.interceptor import Interceptor
from .debugger import ActionPdb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ...agent.action import Action
    from ...agent.context import RunnerContext
    from ...agent.event import Event

__all__ = ["Development"]


class Development(Interceptor):
    """Prints the traceback of what an action raises, and stops there if that is wanted.

    Attributes:
        has_quit: whether the user has ended the job in the debugger.
        quits: ends the job at once.
    """

    quits: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, write: Callable[[str], object], *, stops: bool) -> None:
        """Print nothing yet.

        Args:
            write: prints a line for people.
            stops: whether the debugger stops where an action raises.
        """
        self.has_quit = False
        self._write = write
        self._stops = stops

    @contextmanager
    def around(self, action: Action, event: Event, ctx: RunnerContext) -> Iterator[None]:
        """Print what the action raises; when the debugger is quitted, the run is given up."""
        del event
        try:
            yield
        except BdbQuit:
            self.has_quit = True
            abandon(ctx)
            self.quits()
            raise
        except Exception as error:
            place = f"{described(ctx)}, key {ctx.key!r}, action {action.name!r}"
            self._write(f"{place} raises\n{user_traceback(error).rstrip()}")
            if self._stops:
                ActionPdb().look_at(error)
            raise
