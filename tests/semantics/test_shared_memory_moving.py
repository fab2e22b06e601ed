"""Shared sets of a pool whose shards move, and whose workers die, all the time."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tamias import (
    Agent,
    AgentsExecutionEnvironment,
    InputEvent,
    OutputEvent,
    RunnerContext,
    action,
    open_memory,
)
from tamias.agent.errors import TamiasError
from tamias.launcher.control.client import send_request

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.launcher.workers.threads import ThreadStarter

INPUTS = 400
KEYS = 20


class Chronicle(Agent):
    """Each key adds what it has been given to a shared set, and removes every third item again."""

    @action(InputEvent)
    @staticmethod
    async def act(event: InputEvent, ctx: RunnerContext) -> None:
        """Add, look for it among those of all keys, and delete."""
        facts = ctx.long_term_memory.get_memory_set("facts", shared=True)
        n = event.input
        await facts.aadd(f"fact number {n}", f"{n}", {"key": ctx.key})
        if n % 4 == 0:
            await asyncio.sleep(0.001)
        found = await facts.asearch(f"number {n}", 3, {"key": ctx.key})
        if n >= KEYS and (n - KEYS) % 3 == 0:
            await facts.adelete(f"{n - KEYS}")
        size = await facts.asize()
        ctx.send_event(OutputEvent(output=[n, found[0].id, size >= 1]))


def test_each_item_is_there_once_and_found_at_once(
    tmp_path: Path, twin: list[ThreadStarter]
) -> None:
    state = tmp_path / "state"
    env: Any = AgentsExecutionEnvironment.get_execution_environment(
        workers=2, state_dir=str(state), shards=6, window=16, batch_size=8
    )
    inputs = [{"key": f"k{n % KEYS}", "value": n} for n in range(INPUTS)]
    outputs: list[Any] = env.from_list(inputs).apply(Chronicle).to_list()
    thread = threading.Thread(target=env.execute)
    thread.start()
    turn = crashes = moves = 0
    while thread.is_alive() and turn < 2000:
        turn += 1
        with suppress(TamiasError):  # it begins, or has ended
            moves += send_request(state, "scale", {"workers": 1 + turn % 4})["moves"]
            if moves and turn % 3 == 0 and crashes < 4:
                twin[-1].crash(0)
                crashes += 1
        thread.join(0.02)
    thread.join(60)
    assert env.report.exit_code == 0
    assert env.report.deaths
    assert moves
    found = [value for output in outputs for value in output.values()]
    assert sorted(found) == [[n, f"{n}", True] for n in range(INPUTS)]
    with open_memory(state) as memory:
        kept = sorted(int(item.id) for item in memory.get_shared_memory_set("facts"))
    assert kept == [n for n in range(INPUTS) if n % 3 or n >= INPUTS - KEYS]
