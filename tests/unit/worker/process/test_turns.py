"""A worker with more inputs than a time slice takes has one turn in each of the loop's rounds."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tamias.worker.process.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable


def test_messages_that_arrive_while_a_turn_is_scheduled_begin_no_other_chain_of_turns() -> None:
    scheduled: list[Callable[[], None]] = []
    worked: list[int] = []

    def work() -> bool:
        worked.append(1)
        return True

    worker: Any = Worker.__new__(Worker)
    worker._turn_scheduled = False
    worker._postponed = []
    worker._ended = SimpleNamespace(done=lambda: False)
    worker._connection = SimpleNamespace(receive=list, is_lost=False)
    worker._beacon = SimpleNamespace(is_to_halt=False)
    worker._engine = SimpleNamespace(work=work)
    worker._loop = SimpleNamespace(call_soon=scheduled.append)
    worker._readable()
    assert (len(worked), len(scheduled)) == (1, 1)
    for number in range(2, 6):
        worker._readable()  # messages, such as acknowledgements, come in each round
        due, scheduled[:] = scheduled[:], []
        for turn in due:
            turn()
        assert (len(worked), len(scheduled)) == (number, 1)
