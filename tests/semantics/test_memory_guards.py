"""Memory sets in tasks, threads, failed attempts, waits and crashes: nothing twice or lost."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from support.memory.steps import VECTORS, Compass, CompassSetup, agent_of
from tamias import (
    Agent,
    AgentFailedError,
    AgentsExecutionEnvironment,
    Event,
    InputEvent,
    MemoryAccessError,
    MemorySet,
    OutputEvent,
    ResourceDescriptor,
    ResourceType,
    RunError,
    RunnerContext,
    action,
    run_agent,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tamias.launcher.workers.threads import ThreadStarter

RETRY = {"on_error": "dead-letter"}


def notes(ctx: RunnerContext, **settings: Any) -> MemorySet:
    return ctx.long_term_memory.get_memory_set("notes", **settings)


def outputs(act: Callable[..., Any], *inputs: Any, **options: Any) -> list[Any]:
    """What an action sends for inputs of the key "a"."""
    found = run_agent(agent_of(act), [("a", each) for each in inputs], **options).outputs
    return [value for output in found for value in output.values()]


class Next(Event):
    """The second event of a run."""

    EVENT_TYPE: ClassVar[str] = "next"


# -- uses that are refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda found: found.add("late"),
        lambda found: found.delete(),
        lambda found: found.get(),
        lambda found: found.search("late"),
        lambda found: found.size,
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_a_set_is_refused_in_the_next_run(use: Callable[[MemorySet], Any], is_async: bool) -> None:  # noqa: FBT001
    kept: list[MemorySet] = []

    def step(event: Event, ctx: RunnerContext) -> None:
        if event.input == 0:
            kept.append(notes(ctx))
            kept[0].add("in time")
            return
        with pytest.raises(MemoryAccessError, match="after the end of the action"):
            use(kept[0])
        ctx.send_event(OutputEvent(output=[item.value for item in notes(ctx).get()]))

    async def act(event: Event, ctx: RunnerContext) -> None:
        step(event, ctx)

    assert outputs(act if is_async else step, 0, 1) == [["in time"]]


def test_a_task_that_is_left_running_can_change_nothing() -> None:
    refused: list[str] = []

    async def later(found: MemorySet, ctx: RunnerContext) -> None:
        await asyncio.sleep(0.01)
        for use in (lambda: found.add("late"), lambda: ctx.long_term_memory):
            try:
                use()
            except RunError as error:
                refused.append(str(error))

    left = []

    async def act(event: Event, ctx: RunnerContext) -> None:
        if event.input == 0:
            left.append(asyncio.ensure_future(later(notes(ctx), ctx)))
            return
        await left[0]
        ctx.send_event(OutputEvent(output=notes(ctx).size))

    assert outputs(act, 0, 1) == [0]
    assert len(refused) == 2


def test_sets_are_refused_inside_durable_functions() -> None:
    async def act(_: Event, ctx: RunnerContext) -> None:
        found = notes(ctx)
        for use in (lambda: found.add("x"), lambda: found.size, lambda: notes(ctx)):
            with pytest.raises(MemoryAccessError, match="inside a durable function"):
                await ctx.durable_execute_async(use)
        await found.aadd("outside")
        ctx.send_event(OutputEvent(output=found.size))

    assert outputs(act, 0) == [1]


# -- tasks and threads ------------------------------------------------------------------------


class Slow(Compass):
    """Answers the last text first."""

    async def aembed(self, text: Any, **_: Any) -> Any:
        """The vectors of texts, which are numbers."""
        await asyncio.sleep(0.02 / (1 + int(text[0])))
        return [[1.0, float(each)] for each in text]


class SlowSetup(CompassSetup):
    """The model of `Slow`."""

    connection: str = "slow"


def slow_agent(act: Callable[..., Any]) -> Agent:
    agent = agent_of(act)
    connection = ResourceDescriptor(clazz=Slow)
    agent.add_resource("slow", ResourceType.EMBEDDING_MODEL_CONNECTION, connection)
    setup = ResourceDescriptor(clazz=SlowSetup)
    agent.add_resource("slowly", ResourceType.EMBEDDING_MODEL, setup)
    return agent


def test_tasks_add_at_the_same_time_and_get_the_same_ids_in_the_next_attempt() -> None:
    tried: list[list[list[str]]] = []

    async def act(_: Event, ctx: RunnerContext) -> None:
        found = notes(ctx, embedding="slowly")
        ids = await asyncio.gather(*(found.aadd(str(n)) for n in range(8)))
        tried.append(list(ids))
        if len(tried) == 1:
            raise ValueError("once")
        kept = {item.id: item.value for item in found.get()}
        ctx.send_event(OutputEvent(output=kept))

    found = run_agent(slow_agent(act), [("a", 0)], on_error="dead-letter")
    assert tried[0] == tried[1]
    assert found.outputs == [{"a": {ids[0]: str(n) for n, ids in enumerate(tried[0])}}]


def test_threads_add_at_the_same_time() -> None:
    async def act(_: Event, ctx: RunnerContext) -> None:
        found = notes(ctx, capacity=150)

        def add(first: int) -> None:
            for n in range(first, first + 40):
                found.add(f"note {n}", str(n))

        await asyncio.gather(*(asyncio.to_thread(add, 40 * n) for n in range(4)))
        ctx.send_event(OutputEvent(output=[found.size, len(found.get(limit=None))]))

    assert outputs(act, 0) == [[150, 150]]


# -- attempts, waits, crashes -----------------------------------------------------------------


def test_a_failed_attempt_leaves_nothing_and_its_successor_names_items_alike() -> None:
    tried: list[Any] = []

    def act(_: Event, ctx: RunnerContext) -> None:
        found = notes(ctx, capacity=3)
        tried.append((found.size, found.add(["one", "two"]), found.add("three")))
        if len(tried) == 1:
            raise ValueError("once")
        ctx.send_event(OutputEvent(output=found.size))

    assert outputs(act, 0, **cast("Any", RETRY)) == [3]
    assert tried[0] == tried[1]


def test_a_run_that_is_given_up_leaves_the_set_as_it_was() -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        found = notes(ctx, capacity=2)
        if event.input == 1:
            found.add(["three", "four"])
            found.delete()
            raise ValueError("always")
        if event.input == 0:
            found.add(["one", "two"])
        if event.input == 3:
            found.add("five")
        ctx.send_event(OutputEvent(output=[item.value for item in found.get()]))

    options: Any = {"on_error": "dead-letter", "config": {"max-attempts": 2}}
    assert outputs(act, 0, 1, 2, 3, **options) == [["one", "two"], ["one", "two"], ["two", "five"]]


def test_what_a_run_adds_before_and_after_it_waits_is_there_once() -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        found = notes(ctx)
        ids = await found.aadd(["one", "two"])
        await ctx.sleep(100)
        ids += await found.aadd("three")
        answer = await ctx.wait_for("more")
        ids += await found.aadd(answer)
        ctx.send_event(OutputEvent(output=[ids == [item.id for item in found.get()], found.size]))

    assert outputs(act, 0, answers={"more": "four"})[-1] == [True, 4]


def test_a_finished_action_of_a_failed_run_is_not_repeated() -> None:
    calls: list[str] = []

    def first(event: Event, ctx: RunnerContext) -> None:
        calls.append("first")
        found = notes(ctx, embedding="vectors", capacity=2)
        found.add(["north", "up", "east"], ["1", "2", "3"])
        found.delete("2")
        ctx.send_event(Next())

    def second(_: Event, ctx: RunnerContext) -> None:
        calls.append("second")
        found = notes(ctx)
        found.add("north and east", "4")
        if calls.count("second") == 1:
            raise ValueError("once")
        near = found.search("almost north", mode="vector")
        ctx.send_event(OutputEvent(output=[found.size, [item.id for item in near]]))

    agent = agent_of(first).add_action("second", [Next], second)
    found = run_agent(agent, [("a", 0)], on_error="dead-letter")
    assert found.outputs == [{"a": [2, ["4", "3"]]}]
    assert calls == ["first", "second", "second"]


starters: list[ThreadStarter] = []
died = threading.Event()


class Mortal(Agent):
    """Its worker dies in the run of input 1, once."""

    @action(InputEvent)
    @staticmethod
    async def act(event: InputEvent, ctx: RunnerContext) -> None:
        """Add two items and delete one."""
        found = notes(ctx, capacity=5)
        found.add(["north", "up"], [f"{event.input} north", f"{event.input} up"])
        if event.input == 1 and not died.is_set():
            died.set()
            starters[-1].crash(0)
            await asyncio.sleep(60)
        found.delete(f"{event.input} up")
        ctx.send_event(OutputEvent(output=[item.id for item in found.get()]))


def test_a_worker_that_dies_in_a_run_loses_and_doubles_nothing(
    twin: list[ThreadStarter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "starters", twin)
    env: Any = AgentsExecutionEnvironment.get_execution_environment(workers=1)
    inputs = [{"key": "a", "value": n} for n in range(3)]
    found: list[Any] = env.from_list(inputs).apply(Mortal).to_list()
    env.execute()
    assert found == [
        {"a": ["0 north"]},
        {"a": ["0 north", "1 north"]},
        {"a": ["0 north", "1 north", "2 north"]},
    ]
    assert died.is_set()


def test_an_unknown_text_of_the_model_changes_nothing() -> None:
    assert "nowhere" not in VECTORS

    def act(_: Event, ctx: RunnerContext) -> None:
        notes(ctx, embedding="vectors").add(["north", "nowhere"])

    with pytest.raises(AgentFailedError, match="nowhere"):
        run_agent(agent_of(act), [("a", 0)])
    agent = agent_of(act).add_action("other", [InputEvent], lambda *_: None)
    assert run_agent(agent, [("a", 0)], on_error="ignore").outputs == []


def test_a_large_set_is_searched_beside_the_loop_with_what_the_run_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tamias.worker.long_term.reading._MANY", 2000)

    async def act(event: Event, ctx: RunnerContext) -> None:
        found = notes(ctx)
        if event.input == 0:
            await found.aadd([f"note number {n}" for n in range(2500)], [*map(str, range(2500))])
            return
        await found.adelete("7")
        await found.aadd("note number 9999", "new")
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.ensure_future(count())
        hits = [await found.asearch(f"number {n}", 1) for n in (1234, 7, 9999)]
        counting.cancel()
        same = [found.search(f"number {n}", 1) for n in (1234, 7, 9999)]
        ids = [[item.id for each in some for item in each] for some in (hits, same)]
        ctx.send_event(OutputEvent(output=[ids[0] == ids[1], ids[0][0], ids[0][2], turns > 0]))

    assert outputs(act, 0, 1) == [[True, "1234", "new", True]]
