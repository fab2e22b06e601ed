"""What a worker has noticed that is probably a mistake of the agent, though nothing has failed.

An event that no action hears, a result that nobody gets, a coroutine that is never awaited: nothing
raises, and the output lacks something. A worker counts each notice by its text, and reports the
counts with its heartbeat; the launcher logs each text once.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, cast

from .own_code import OWN_FOLDERS

if TYPE_CHECKING:
    from ..agent.action import Action
    from ..agent.event import Event
    from ..agent.plan import AgentPlan

_OWN: Final = __name__.partition(".")[0]
MOST: Final = 50
"""Texts that a worker counts one by one."""
OTHERS: Final = "further warnings"
_LONGEST: Final = 300
_FRAME: Final = re.compile(r'File "(.*)", line (\d+)')


class Notices:
    """The notices of a worker, counted."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}
        """By kind, the text of its first notice."""

    def add(self, text: str) -> None:
        """Count a notice."""
        self._counts[text if text in self._counts or len(self._counts) < MOST else OTHERS] += 1

    def add_kind(self, kind: str, text: str) -> None:
        """Count a notice of a kind under the text of the first one."""
        self.add(self._first.setdefault(kind, text[:_LONGEST]))

    def check_result(self, action: Action, result: object) -> None:
        """Check what an action has returned, if that is not None, and notice it.

        Raises:
            ActionResultError: see `Action.check_result`.
        """
        action.check_result(result)
        if _may_be_an_output(result):
            kind = type(result).__qualname__
            self.add(
                f"action {action.name!r} returned a {kind}, which goes nowhere: send an output with"
                " ctx.send_event(OutputEvent(output=...))"
            )

    def counts(self) -> dict[str, int]:
        """How often each was added, by text."""
        return dict(self._counts)


def unheard(plan: AgentPlan, event: Event, sender: str) -> str:
    """Return the notice of an event that no action of the agent listens to.

    `sender` is the action that has sent it.
    """
    kind = type(event)
    listened = {name if isinstance(name, str) else name.__qualname__ for name in plan.routes}
    names = [kind.__qualname__, *({event.get_type()} - {kind.__name__})]
    text = f"action {sender!r} sends {' of type '.join(names)}, which no action listens to"
    for name in names:
        if name in listened and name == kind.__qualname__:
            return f"{text}: the actions listen to another class of that name"
        close = get_close_matches(name, listened, 1)
        if close:
            return f"{text}: did you mean {close[0]}?"
    return text


def _may_be_an_output(result: object) -> bool:
    """Tell whether a result may be meant as an output, and is not what a lambda ends with."""
    if isinstance(result, bool) or type(result).__module__.partition(".")[0] == _OWN:
        return False
    if isinstance(result, (list, tuple)):
        return any(item is not None for item in result)
    return not isinstance(result, (int, float, str)) or bool(result)


def notice_warnings(notices: Notices) -> None:
    """From now on, add Python's warnings of coroutines that were never awaited to the notices."""
    show = warnings.showwarning

    def noticing(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        *more: Any,
    ) -> None:
        text = str(message)
        if issubclass(category, RuntimeWarning) and "was never awaited" in text:
            notices.add(f"{text.splitlines()[0]}: {_place(text, filename, lineno)}")
        show(message, category, filename, lineno, *more)

    warnings.showwarning = cast("Any", noticing)  # the optional parameters are in `more`


def _place(text: str, filename: str, lineno: int) -> str:
    """Where a coroutine was made, or dropped."""
    made = _FRAME.findall(text)
    if made:  # the last frame is the innermost
        filename, line = made[-1]
        return f"{filename}:{line}"
    if filename.startswith(OWN_FOLDERS):
        # It was dropped when an action returned. Of the next ones it will be known where they are
        # made; to know it of all costs every coroutine some time.
        sys.set_coroutine_origin_tracking_depth(1)
        return "an action has made it and did not await it"
    return f"{filename}:{lineno}"


def merged(counts: list[dict[str, Any]]) -> dict[str, int]:
    """The sum of several workers' counts."""
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)
