"""Functions for durable calls that count how often they are called, and agents of one action."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from support.worker.bench import bench
from tamias import Agent, InputEvent

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tamias import RunnerContext


def agent(function: Callable[[Any, RunnerContext], Any]) -> Agent:
    made = Agent()
    made.add_action("act", [InputEvent], function)
    return made


async def once(
    directory: Path,
    function: Callable[[Any, RunnerContext], Any],
    value: Any = None,
    **options: Any,
) -> Any:
    """The one output of one input."""
    with bench(agent(function), directory, **options) as life:
        ((output,),) = await life.run(("k", value))
        assert life.journal() == 0
        return output


class Calls:
    """Functions that count how often they are called."""

    def __init__(self) -> None:
        self.count: Counter[Any] = Counter()

    def plain(self, name: Any) -> str:
        self.count[name] += 1
        return f"<{name}>"

    async def coroutine(self, name: Any, turns: int = 0) -> str:
        for _ in range(turns):
            await asyncio.sleep(0)
        return self.plain(name)

    def failing(self, name: Any) -> None:
        self.count[name] += 1
        raise LookupError(name)


# What an action calls must be the same function in every life, and not carry the counts along.
CALLS = Calls()


def plain(name: Any) -> str:
    return CALLS.plain(name)


def failing(name: Any) -> None:
    CALLS.failing(name)


async def coroutine(name: Any, turns: int = 0) -> str:
    return await CALLS.coroutine(name, turns)


def only_once(names: int) -> None:
    assert len(CALLS.count) == names
    assert set(CALLS.count.values()) == {1}, CALLS.count
