"""What each worker executes now: from its heartbeat, its beacon and what it was sent.

The heartbeat has the asynchronous actions under way, a second ago at most. The beacon has the input
whose code is executed at this instant, also of a worker that is stuck or stopped, and its action;
since when is known to the launcher only: it has looked before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...store.records.offsets import offset_of
from .key_texts import key_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...worker.beacon import Beacon
    from ..dispatch.item import Item

MOST: Final = 8


class ExecutingRuns:
    """What the workers of a pool execute."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[tuple[int, int], float]] = {}
        """By slot: incarnation and number of what its beacon names, and since when."""

    def of(
        self,
        slot: int,
        incarnation: int,
        beacon: Beacon,
        *,
        reported: Sequence[Sequence[Any]],
        flight: Mapping[int, Item],
        actions: Sequence[str],
        now: float,
    ) -> list[dict[str, Any]]:
        """The runs that a worker executes; at most `MOST`, that of the beacon first.

        Args:
            slot: its slot in the pool.
            incarnation: its number there.
            beacon: its beacon.
            reported: number, action and begin of runs in its last heartbeat.
            flight: what it was sent and has not completed.
            actions: the names of the agent's actions.
            now: seconds since the epoch.
        """
        known = {number: (action, since) for number, action, since in reported}
        found = []
        number = beacon.offset
        if number is None or number not in flight:
            self._seen.pop(slot, None)
        else:
            what = incarnation, number
            before, since = self._seen.get(slot, (what, now))
            if before != what:
                since = now
            self._seen[slot] = what, since
            action, began = known.get(number, ("", since))
            index = beacon.action_of(number)
            if index is not None and index < len(actions):
                action = actions[index]
            found.append(_run(number, flight[number], action, min(began, since)))
        for other, (action, since) in known.items():
            if other != number and other in flight and len(found) < MOST:
                found.append(_run(other, flight[other], action, since))
        return found


def _run(number: int, item: Item, action: str, since: float) -> dict[str, Any]:
    return {
        "offset": offset_of(number),
        "key": key_text(item.key),
        "action": action,
        "since": since,
    }
