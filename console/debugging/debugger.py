"""The debugger at a run: pdb where an action fails, or at its first line; or a text with locals."""

from __future__ import annotations

import linecache
import os
import pdb  # noqa: T100 (this is the debugger)
import sys
from bdb import BdbQuit
from contextlib import contextmanager
from inspect import unwrap
from reprlib import Repr
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ...agent.context import RunnerContext
from ...agent.failures.error_text import one_line
from ...worker.intercepting.interceptor import Interceptor
from ...worker.own_code import OWN_FOLDERS
from .calls import EndedByUser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType, TracebackType

    from ...agent.action import Action
    from ...agent.event import Event
    from ...worker.intercepting.interceptor import Attempt
    from .calls import CallDecisions

__all__ = ["ActionPdb", "RunDebugger", "stop_at_breakpoints", "traceback_with_locals"]

_short: Final = Repr()
_short.maxstring = _short.maxother = 200
_short.maxlevel = 4
_OWN: Final = (*OWN_FOLDERS, __file__)


class ActionPdb(pdb.Pdb):
    """pdb that begins at the user's own code, and leaves Ctrl-C as it is.

    Attributes:
        is_asking: whether one of them waits for what the user types.
    """

    is_asking: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(nosigint=True)
        self.prompt = "(pdb) "

    def interaction(self, *args: Any) -> None:
        """Ask the user what to do."""
        ActionPdb.is_asking = True
        try:
            super().interaction(*args)
        finally:
            ActionPdb.is_asking = False

    def get_stack(
        self, f: FrameType | None, t: TracebackType | None
    ) -> tuple[list[tuple[FrameType, int]], int]:
        """The stack; after an exception the current frame is the innermost one of the user."""
        stack, index = super().get_stack(f, t)
        if t is not None:
            own = [
                place
                for place, (frame, _) in enumerate(stack)
                if not frame.f_code.co_filename.startswith(_OWN)
            ]
            index = own[-1] if own else index
        return stack, index

    def stop_in(self, function: Callable[..., Any]) -> bool:
        """Stop at the first line of a function; returns whether it has one that can be found."""
        code = getattr(unwrap(function), "__code__", None)
        if code is None or not linecache.getline(code.co_filename, code.co_firstlineno):
            return False
        self.reset()
        self.botframe = sys._getframe()  # noqa: SLF001 (what is above it is not of interest)
        self.set_break(code.co_filename, code.co_firstlineno, temporary=True, funcname=code.co_name)
        self.set_continue()
        sys.settrace(self.trace_dispatch)
        return True

    def look_at(self, error: BaseException) -> None:
        """Stop where an exception was raised."""
        self.reset()
        self.interaction(None, _users_part(error.__traceback__))


def stop_at_breakpoints() -> None:
    """Have `breakpoint()` stop in the caller, with a debugger that leaves Ctrl-C as it is.

    Another one that the user has chosen stays.
    """
    if os.environ.get("PYTHONBREAKPOINT"):
        return

    def stop(*_: object, **__: object) -> None:
        ActionPdb().set_trace(sys._getframe(1))  # noqa: SLF001 (its caller)

    sys.breakpointhook = stop


def _users_part(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the first frame of the user's code on."""
    inner = trace
    while inner is not None and inner.tb_frame.f_code.co_filename.startswith(_OWN):
        inner = inner.tb_next
    return inner or trace


def traceback_with_locals(error: BaseException) -> str:
    """The traceback of the user's code, with the local variables of each frame."""
    lines = ["Traceback (most recent call last):"]
    trace = _users_part(error.__traceback__)
    while trace is not None:
        frame = trace.tb_frame
        file = frame.f_code.co_filename
        if not file.startswith(_OWN):
            lines.append(f'  File "{file}", line {trace.tb_lineno}, in {frame.f_code.co_name}')
            line = linecache.getline(file, trace.tb_lineno).strip()
            if line:
                lines.append(f"    {line}")
            lines += [
                f"      {name} = {_shown(value)}"
                for name, value in frame.f_locals.items()
                if not isinstance(value, RunnerContext)  # it shows nothing
            ]
        trace = trace.tb_next
    lines.append(one_line(error))
    return "\n".join(lines)


def _shown(value: Any) -> str:
    try:
        return " ".join(_short.repr(value).split())
    except Exception as error:  # noqa: BLE001 (a user's class)
        return f"<{type(value).__name__}: its repr raises {one_line(error)}>"


class RunDebugger(Interceptor):
    """Stops in the actions of a run.

    Attributes:
        memory: the run's memory when it has failed.
        error: what its last action has raised.
    """

    skips_waits = True

    def __init__(
        self,
        calls: CallDecisions,
        write: Callable[[str], None],
        *,
        interactive: bool,
        break_at: str | None,
    ) -> None:
        """Stop nowhere yet.

        Args:
            calls: decides about calls that are not on record.
            write: prints a line.
            interactive: whether there is a debugger; if not, tracebacks are printed.
            break_at: the action at whose first line to stop; "*" for the first one; None for none.
        """
        self.error: BaseException | None = None
        self._calls = calls
        self._write = write
        self._interactive = interactive
        self._break_at = break_at

    @contextmanager
    def around(self, action: Action, event: Event, ctx: RunnerContext) -> Iterator[None]:
        """Stop at the first line of an action if that is wanted, and where it raises."""
        del event
        before = sys.gettrace()
        self._stop_at_first_line(action)
        try:
            yield
        except (BdbQuit, EndedByUser, KeyboardInterrupt) as quitted:
            self.error = quitted
            raise
        except Exception as error:
            sys.settrace(before)
            self.error = error
            self._look_at(action, ctx, error)
            raise
        finally:
            sys.settrace(before)

    def _stop_at_first_line(self, action: Action) -> None:
        if self._break_at not in ("*", action.name):
            return
        if self._break_at == "*":
            self._break_at = None
        if not ActionPdb().stop_in(action.fn):
            self._write(f"The first line of action {action.name!r} cannot be found.")

    def _look_at(self, action: Action, ctx: RunnerContext, error: Exception) -> None:
        self._write(f"action {action.name!r} raises {one_line(error)}")
        if self._interactive:
            self._write("the local variables and ctx are as they were at that line; q ends")
            ActionPdb().look_at(error)
            return
        self._write(traceback_with_locals(error))
        self._write(f"memory at that moment: {_shown(ctx.short_term_memory.get_fields())}")

    def attempt(self, attempt: Attempt) -> None:
        """As `CallDecisions.decide`."""
        self._calls.decide(attempt)

    def question(self, name: str, ask: Any) -> tuple[Any] | None:
        """As `CallDecisions.answer`."""
        return self._calls.answer(name, ask)

    def wait_skipped(self, seconds: float) -> None:
        """Report it."""
        self._write(f"a wait of {seconds:.3g} s is over at once")
