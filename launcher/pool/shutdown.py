"""The end of a pool: its workers leave in order, as far as there is time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ...worker import wire
from ..connection.transport import STOP_SECONDS
from ..workers.starter import Exited

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..connection.transport import WorkerTransport
    from ..workers.generation import Generations
    from ..workers.registry import WorkerRegistry
    from .inbox import Inbox

LAST_HEARTBEAT_SECONDS: Final = 1.0
"""The longest to wait for the last message of a worker that has ended."""


def stop_workers(
    registry: WorkerRegistry,
    generations: Generations,
    transport: WorkerTransport,
    inbox: Inbox,
    hurried: Callable[[], bool],
) -> list[Exited]:
    """Let ready workers leave in order, and return how they ended.

    The others are killed when the starters are closed. `hurried` returns whether a second signal
    has come, after which nothing is waited for.
    """
    if hurried():
        return []
    leaving = [worker for worker in registry if worker.ready]
    pids = {worker.pid for worker in leaving}
    exits: list[Exited] = []
    for worker in leaving:
        transport.send(worker.identity, wire.STOP)
    deadline = time.monotonic() + STOP_SECONDS
    while pids and time.monotonic() < deadline and not hurried():
        transport.wait(0.1, generations.descriptors())
        exits += [event for _, event in generations.poll() if isinstance(event, Exited)]
        pids -= {event.pid for event in exits}
        inbox.receive(time.monotonic())
    # The end of a process may be known before its last heartbeat has arrived.
    deadline = time.monotonic() + LAST_HEARTBEAT_SECONDS
    while (
        not all(worker.sent_last_heartbeat for worker in leaving)
        and time.monotonic() < deadline
        and not hurried()
    ):
        transport.wait(0.01, [])
        inbox.receive(time.monotonic())
    return exits
