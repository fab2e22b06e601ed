"""More or fewer workers while the pool runs, and fresh ones in place of old ones.

Both only order it: slots are added or retired, shards are to move. The dispatcher does that without
losing anything (`dispatch/migration.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import ConfigError, UsageError
from ..control.operations import Operation
from ..dispatch.placement import rebalance
from ..dispatch.slot import Phase

if TYPE_CHECKING:
    from ..dispatch.dispatcher import Dispatcher


def check_workers(workers: int, shards: int) -> None:
    """Refuse an impossible number of workers.

    Raises:
        ConfigError: it is below one, or above the number of shards.
    """
    if workers < 1:
        raise ConfigError(f"{workers} workers can do nothing.", hint="Have one at least.")
    if workers > shards:
        raise ConfigError(
            f"{workers} workers cannot share {shards} shards: each needs at least one.",
            hint="Use fewer workers, or a new state directory with more shards (--set shards=N).",
        )


class _Reshaping(Operation):
    """Waits until all moves and retirements are done; the base of scaling and swapping."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._leaving: list[int] = []
        self._moved_before = dispatcher.moves.done
        dispatcher.moves.recent = 0.0

    def step(self, now: float) -> dict[str, Any] | None:
        """As `Operation.step`."""
        del now
        dispatcher = self._dispatcher
        gone = all(dispatcher.phase(slot) is Phase.RETIRED for slot in self._leaving)
        slots = dispatcher.slots()
        if (
            dispatcher.moves.under_way
            or not gone
            or any(dispatcher.phase(slot) is not Phase.READY for slot in slots)
        ):
            return None
        return {
            "workers": len(slots),
            "moves": dispatcher.moves.done - self._moved_before,
            "longest_pause": dispatcher.moves.recent,
        }


class Scaling(_Reshaping):
    """To another number of workers, all of one generation."""

    def __init__(self, dispatcher: Dispatcher, workers: int, generation: int) -> None:
        """Begin.

        Raises:
            ConfigError: so many workers cannot be.
        """
        check_workers(workers, dispatcher.placement.shards)
        super().__init__(dispatcher)
        slots = dispatcher.slots(generation)
        slots += [dispatcher.add_slot(generation) for _ in range(workers - len(slots))]
        staying, self._leaving = slots[:workers], slots[workers:]
        for shard, slot in rebalance(dispatcher.moves.destinations(), staying):
            dispatcher.move(shard, slot)
        for slot in self._leaving:
            dispatcher.retire(slot)


class Swapping(_Reshaping):
    """A slot's worker for a fresh one, which gets another slot and takes over its shards."""

    def __init__(self, dispatcher: Dispatcher, slot: int) -> None:
        """Begin.

        Raises:
            UsageError: there is no such slot.
        """
        if slot not in dispatcher.slots():
            slots = ", ".join(map(str, dispatcher.slots()))
            raise UsageError(f"There is no worker {slot}.", hint=f"There are these: {slots}.")
        super().__init__(dispatcher)
        fresh = dispatcher.add_slot(dispatcher.generation(slot))
        for shard, owner in enumerate(dispatcher.moves.destinations()):
            if owner == slot:
                dispatcher.move(shard, fresh)
        dispatcher.retire(slot)
        self._leaving = [slot]
