"""What an action or a durable function leaves running can use neither memory nor events later."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from support.worker.durable import agent
from tamias import Event, OutputEvent, RunError, RunnerContext

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    from tamias import MemorySet

Use: TypeAlias = "Callable[[], object]"


class Second(Event):
    """Has the second action of a run begin."""

    EVENT_TYPE: ClassVar[str] = "second"


def notes(ctx: RunnerContext) -> MemorySet:
    return ctx.long_term_memory.get_memory_set("notes")


def kept_parts(ctx: RunnerContext) -> dict[str, Use]:
    """Uses of what an action has kept of its context, without the context itself."""
    short, sensory, found = ctx.short_term_memory, ctx.sensory_memory, notes(ctx)
    short_below, sensory_below = short.new_object("below"), sensory.new_object("below")
    return {
        "get": lambda: short.get("late"),
        "set": lambda: short.set("late", 1),
        "set below": lambda: short_below.set("late", 1),
        "sensory get": lambda: sensory.get("late"),
        "sensory set": lambda: sensory.set("late", 1),
        "sensory set below": lambda: sensory_below.set("late", 1),
        "items": found.get,
        "item": lambda: found.add("late"),
    }


def uses_of(ctx: RunnerContext) -> dict[str, Use]:
    """Uses of a context that an action has kept."""
    return {
        "of short": lambda: ctx.short_term_memory.set("late", 1),
        "of sensory": lambda: ctx.sensory_memory.set("late", 1),
        "of sets": lambda: notes(ctx).add("late"),
        "event": lambda: ctx.send_event(Second()),
        "output": lambda: ctx.send_event(OutputEvent(output="late")),
        "durable": lambda: ctx.durable_execute(int, 1),
        "schedule": lambda: ctx.schedule(60.0, Second()),
        "cancel": lambda: ctx.cancel("some"),
    }


ALL = (
    *("get", "set", "set below", "sensory get", "sensory set", "sensory set below", "items"),
    *("item", "of short", "of sensory", "of sets", "event", "output", "durable", "schedule"),
    "cancel",
)


def use_of(ctx: RunnerContext, name: str) -> Use:
    """One of these uses; nothing else is kept."""
    uses = uses_of(ctx)
    return uses[name] if name in uses else kept_parts(ctx)[name]


def refused(use: Use) -> str:
    """The error of a use, which has to fail."""
    with pytest.raises(RunError) as caught:
        use()
    return str(caught.value)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("way", ["plain", "thread", "async"])
@on_loop
async def test_the_next_run_cannot_use_what_the_last_has_kept(
    tmp_path: Path, way: str, name: str
) -> None:
    kept: list[Use] = []

    def act(event: Any, ctx: RunnerContext) -> None:
        if event.input == "first":
            kept.append(use_of(ctx, name))
        else:
            ctx.send_event(OutputEvent(output=refused(kept[0])))

    async def act_async(event: Any, ctx: RunnerContext) -> None:
        act(event, ctx)

    function = act_async if way == "async" else act
    with bench(agent(function), tmp_path, sync_in_threads=way == "thread") as life:
        _, (error,) = await life.run(("k", "first"), ("k", "second"))
        assert "end" in error
        assert "late" not in life.memory("k")
        assert life.journal() == 0


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("is_async", [False, True])
@on_loop
async def test_the_next_action_cannot_use_what_the_last_has_kept(
    tmp_path: Path,
    is_async: bool,  # noqa: FBT001
    name: str,
) -> None:
    kept: list[Use] = []

    def first(_: Event, ctx: RunnerContext) -> None:
        kept.append(use_of(ctx, name))
        ctx.send_event(Second())

    async def first_async(event: Event, ctx: RunnerContext) -> None:
        first(event, ctx)

    def second(_: Event, ctx: RunnerContext) -> None:
        refused(kept[0])
        ctx.send_event(OutputEvent(output=ctx.sensory_memory.get("late")))

    both = agent(first_async if is_async else first).add_action("second", [Second], second)
    with bench(both, tmp_path) as life:
        assert await life.run(("k", 1)) == [[None]]
        assert "late" not in life.memory("k")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("way", ["plain", "thread", "async"])
@on_loop
async def test_the_next_attempt_cannot_use_what_a_failed_one_has_kept(
    tmp_path: Path, way: str, name: str
) -> None:
    kept: list[Use] = []

    def act(_: Any, ctx: RunnerContext) -> None:
        if not kept:
            kept.append(use_of(ctx, name))
            raise LookupError(name)
        refused(kept[0])
        ctx.send_event(OutputEvent(output=ctx.sensory_memory.get("late")))

    async def act_async(event: Any, ctx: RunnerContext) -> None:
        act(event, ctx)

    function = act_async if way == "async" else act
    with bench(agent(function), tmp_path, sync_in_threads=way == "thread") as life:
        assert await life.run(("k", 1)) == [[None]]
        assert "late" not in life.memory("k")
        assert not life.letters()


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("way", ["sync", "thread", "coroutine"])
@on_loop
async def test_a_durable_function_cannot_reach_around_after_it_has_returned(
    tmp_path: Path, way: str, name: str
) -> None:
    async def act(_: Event, ctx: RunnerContext) -> None:
        use, left = use_of(ctx, name), []
        loop, release = asyncio.get_running_loop(), asyncio.Event()

        async def later() -> str:
            await release.wait()
            return refused(use)

        def leave() -> None:
            left.append(asyncio.run_coroutine_threadsafe(later(), loop))

        async def leave_async() -> None:
            leave()

        if way == "sync":
            ctx.durable_execute(leave)
        else:
            await ctx.durable_execute_async(leave if way == "thread" else leave_async)
        release.set()
        error = await asyncio.wrap_future(left[0])
        ctx.short_term_memory.set("still", "usable")
        ctx.send_event(OutputEvent(output=error))

    with bench(agent(act), tmp_path, max_attempts=1) as life:
        ((error,),) = await life.run(("k", None))
        assert "inside a durable" in error
        assert "late" not in life.memory("k")
        assert life.memory("k")["still"] == "usable"


@on_loop
async def test_memory_is_free_again_for_the_action_after_one_that_made_durable_calls(
    tmp_path: Path,
) -> None:
    def first(_: Event, ctx: RunnerContext) -> None:
        ctx.short_term_memory.set("before", ctx.durable_execute(int, 1))
        ctx.sensory_memory.set("before", 1)
        ctx.send_event(Second())

    def second(_: Event, ctx: RunnerContext) -> None:
        before = ctx.short_term_memory.get("before"), ctx.sensory_memory.get("before")
        ctx.short_term_memory.set("after", before)
        ctx.send_event(OutputEvent(output=before))

    both = agent(first).add_action("second", [Second], second)
    with bench(both, tmp_path) as life:
        assert await life.run(("k", 1), ("k", 2)) == [[(1, 1)], [(1, 1)]]
        assert life.memory("k") == {"before": 1, "after": (1, 1)}
