"""The origins of events whose id is read before they are sent.

The id of such an event has to be the same in each replay. So it follows from what a replay
repeats: the run, the step, the *place*, and how many events were identified there before. A place
is the action itself, or one of the tasks that it has started, as `worker/tasks/tracking.py` knows
them: tasks that run at the same time do not disturb each other's counts.

A durable function is not called again in a replay, so it must not count. What it identifies gets a
random origin, which is on record with its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ..durable.call_log import inside_durable_call
from ..tasks.executing import executed_run, executing_thread
from ..tasks.tracking import current_path

if TYPE_CHECKING:
    from ...agent.events.identity import EarlyOrigin
    from ..tasks.executing import ExecutedRun

_ACTION: Final = b""
"""The place of the action itself."""
_THREAD: Final = b"thread"
"""The place of all threads that an asynchronous action has started."""
_CALLBACK: Final = b"callback"
"""The place of all tasks that were started by callbacks."""
_ITEM: Final = b"item "
"""What the places of items begin with, so that events and items are counted apart."""


def origin_here() -> EarlyOrigin | None:
    """The origin of an event that is identified here and now; None outside of any run."""
    run = executing_thread().run
    if run is not None:
        if inside_durable_call():
            return run.random_origin(run.step)
        return run.early_origin(run.step, _ACTION)
    executed = executed_run()
    if executed is None:
        return None
    run, step = executed
    if inside_durable_call():
        return run.random_origin(step)
    return run.early_origin(step, _place(run))


def item_origin(run: ExecutedRun) -> EarlyOrigin:
    """The origin of an item that the run's action adds to a memory set here and now."""
    place = _ACTION if executing_thread().run is run else _place(run)
    return run.early_origin(run.step, _ITEM + place)


def _place(run: ExecutedRun) -> bytes:
    if not run.has_async_action:
        return _ACTION  # on a thread of its own
    found, path = current_path(run.number)
    if not found:
        return _THREAD
    if path is None:
        return _CALLBACK
    return b".".join(b"%d" % number for number in path)
