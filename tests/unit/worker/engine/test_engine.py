"""Runs through a real engine on a real shard: kinds of actions, order, failures, rejections."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

import tamias.worker.engine.engine as engine_module
from support.loops import on_loop
from support.profiles import examples
from support.worker.agents import Counting, Middle
from support.worker.bench import bench
from tamias import (
    Agent,
    Event,
    InputEvent,
    MemoryRef,
    MemoryType,
    OutputEvent,
    Resource,
    ResourceDescriptor,
    ResourceType,
    RunnerContext,
    action,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

CACHE = "short-term-memory.cache-max-bytes"


class Steps(Agent):
    """Three steps, of which the middle one is taken twice."""

    @action(InputEvent)
    @staticmethod
    def first(event: Event, ctx: RunnerContext) -> None:
        ctx.sensory_memory.set("seen", [event.input])
        for number in range(2):
            ctx.send_event(Middle(value=number))
        ctx.send_event(OutputEvent(output="first"))

    @action(Middle)
    @staticmethod
    async def second(event: Event, ctx: RunnerContext) -> None:
        await asyncio.sleep(0)
        seen = ctx.sensory_memory.get("seen")
        ctx.sensory_memory.set("seen", [*seen, event.value])
        ctx.send_event(OutputEvent(output=f"second {event.value}"))
        ctx.send_event(Event(type="third", step=event.value))

    @action("third")
    @staticmethod
    def third(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=[f"third {event.step}", ctx.sensory_memory.get("seen")]))


@on_loop
async def test_a_key_remembers_and_others_do_not_know(tmp_path: Path) -> None:
    with bench(Counting, tmp_path, shards=3) as life:
        found = await life.run(("a", 1), ("b", 1), ("a", 2), (("c", 1), 1), ("a", 3))
        assert found == [[1], [1], [2], [1], [3]]
        assert life.memory("a") == {"count": 3}
        assert life.memory(("c", 1)) == {"count": 1}
    with bench(Counting, tmp_path, shards=3) as life:
        assert await life.run(("a", 1), first=5) == [[4]]


@on_loop
async def test_steps_are_taken_first_in_first_out(tmp_path: Path) -> None:
    with bench(Steps, tmp_path) as life:
        assert await life.run(("k", "x"), ("k", "y")) == [
            [
                "first",
                "second 0",
                "second 1",
                ["third 0", [value, 0, 1]],
                ["third 1", [value, 0, 1]],
            ]
            for value in "xy"
        ]
        assert life.journal() == 0
        assert life.memory("k") == {}


@on_loop
async def test_events_have_names_that_do_not_change(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Named(Steps):
        @action(Event, "third", InputEvent, Middle)
        @staticmethod
        def note(event: Event, ctx: RunnerContext) -> None:
            seen.append(event.id)

    with bench(Named, tmp_path / "1") as life:
        await life.run(("k", "x"))
    first, seen[:] = list(seen), []
    with bench(Named, tmp_path / "2") as life:
        await life.run(("k", "x"))
    assert seen == first
    assert None not in seen
    assert len(set(seen)) == len(seen) == 5


@on_loop
async def test_events_that_nobody_listens_to_end_there(tmp_path: Path) -> None:
    agent = Agent()

    def act(event: Any, ctx: RunnerContext) -> None:
        ctx.send_event(Middle(value=threading.Lock()))  # never written, so never serialised
        ctx.send_event(Event(type="unheard"))
        ctx.send_event(OutputEvent(output=event.input))

    agent.add_action("act", [InputEvent], act)
    deaf = Agent()
    deaf.add_action("never", [Middle], act)
    with bench(agent, tmp_path / "1") as life:
        assert await life.run(("k", 1)) == [[1]]
    with bench(deaf, tmp_path / "2") as life:
        assert await life.run(("k", 1)) == [[]]


@on_loop
async def test_what_is_sent_must_be_an_event(tmp_path: Path) -> None:
    agent = Agent()
    agent.add_action("act", [InputEvent], lambda event, ctx: ctx.send_event({"output": 1}))
    with bench(agent, tmp_path, max_attempts=1) as life:
        assert await life.run(("k", 1)) == [[]]
        assert "send_event takes an Event, not dict" in life.letters()[0].error


@on_loop
async def test_an_output_is_what_it_was_when_it_was_sent(tmp_path: Path) -> None:
    agent = Agent()

    def act(event: Any, ctx: RunnerContext) -> None:
        value = [1]
        ctx.send_event(OutputEvent(output=value))
        value.append(2)
        ctx.send_event(OutputEvent(output=value))

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path) as life:
        assert await life.run(("k", 1)) == [[[1], [1, 2]]]


# -- the event loop -----------------------------------------------------------------------------


@on_loop
async def test_what_asyncio_offers_works_inside_actions(tmp_path: Path) -> None:
    agent = Agent()

    async def act(event: Any, ctx: RunnerContext) -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()

        async def produce() -> None:
            for number in range(3):
                await queue.put(number)
                await asyncio.sleep(0)

        async def consume() -> list[int]:
            return [await queue.get() for _ in range(3)]

        task = asyncio.create_task(produce())
        found = list(await asyncio.gather(consume(), asyncio.to_thread(sum, [1, 2])))
        await task
        async with asyncio.Lock():
            await asyncio.wait_for(asyncio.sleep(0), 60)
        ctx.send_event(OutputEvent(output=found))

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path) as life:
        assert await life.run(*((key, 1) for key in range(20))) == [[[[0, 1, 2], 3]]] * 20


@settings(max_examples=examples(25))
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=25), st.data()
)
def test_keys_interleave_and_each_keeps_its_order(
    tmp_path_factory: pytest.TempPathFactory,
    inputs: list[tuple[int, int]],
    data: st.DataObject,
) -> None:
    """Inputs are (key, loop turns that its run takes), and arrive in batches of any size."""
    running: set[int] = set()
    started: list[int] = []

    class Slow(Agent):
        @action(InputEvent)
        @staticmethod
        async def act(event: Event, ctx: RunnerContext) -> None:
            assert ctx.key not in running
            running.add(ctx.key)
            number, turns = event.input
            started.append(number)
            for _ in range(turns):
                await asyncio.sleep(0)
            before = ctx.short_term_memory.get("before") or []
            ctx.short_term_memory.set("before", [*before, number])
            running.remove(ctx.key)
            ctx.send_event(OutputEvent(output=before))

    async def main() -> None:
        with bench(Slow, tmp_path_factory.mktemp("shards"), shards=2) as life:
            entries = [(key, (number, turns)) for number, (key, turns) in enumerate(inputs)]
            first = 0
            while first < len(entries):
                size = data.draw(st.integers(1, 8))
                life.send(*entries[first : first + size], first=first)
                first += size
                for _ in range(data.draw(st.integers(0, 3))):
                    await asyncio.sleep(0)
            await life.until(*range(len(entries)))
            for number, (key, _) in enumerate(inputs):
                expected = [other for other, (its, _) in enumerate(inputs[:number]) if its == key]
                assert life.done[number] == [expected]

    asyncio.run(main())


@on_loop
async def test_a_key_that_waits_does_not_hold_up_another(tmp_path: Path) -> None:
    release = asyncio.Event()
    agent = Agent()

    async def act(event: Any, ctx: RunnerContext) -> None:
        if event.input == "wait":
            await release.wait()

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path) as life:
        life.send(("slow", "wait"), ("slow", "go"), ("fast", "go"))
        await life.until(2)
        assert life.done.keys() == {2}
        release.set()
        await life.until(0, 1, 2)
        assert list(life.done) == [2, 0, 1]


@on_loop
async def test_plain_actions_may_be_sent_to_threads(tmp_path: Path) -> None:
    barrier = threading.Barrier(3)

    class Blocking(Agent):
        @action(InputEvent)
        @staticmethod
        def act(event: Event, ctx: RunnerContext) -> None:
            barrier.wait(30)
            assert threading.current_thread() is not threading.main_thread()
            ctx.short_term_memory.set("a.b", ctx.key)
            paid = ctx.durable_execute(str, ctx.key)
            ctx.send_event(OutputEvent(output=[paid, ctx.short_term_memory.get("a.b")]))

    with bench(Blocking, tmp_path, sync_in_threads=True) as life:
        assert await life.run((1, 0), (2, 0), (3, 0)) == [[[str(key), key]] for key in (1, 2, 3)]


# -- memory over runs ---------------------------------------------------------------------------


@on_loop
async def test_sensory_memory_begins_empty(tmp_path: Path) -> None:
    agent = Agent()

    def act(event: Any, ctx: RunnerContext) -> None:
        before = ctx.sensory_memory.get_fields()
        reference = ctx.sensory_memory.set("x", event.input)
        assert reference == MemoryRef.create(MemoryType.SENSORY, "x")
        assert reference.resolve(ctx) == event.input
        assert ctx.short_term_memory.set("y", 1).resolve(ctx) == 1
        ctx.send_event(OutputEvent(output=before))

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path) as life:
        assert await life.run(("k", 1), ("k", 2)) == [[{}], [{}]]
        assert life.memory("k") == {"y": 1}


@on_loop
async def test_slow_plain_actions_are_committed_slice_by_slice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a batch has done so far is out, and the loop has its turns, before the batch ends."""
    monkeypatch.setattr(engine_module, "SLICE_SECONDS", -1.0)
    with bench(Counting, tmp_path) as life:
        life.hand_in(("a", 0), ("b", 0), ("a", 0))
        for done in ({0}, {0, 1}, {0, 1, 2}):
            assert life.engine.work()
            assert life.done.keys() == done
        assert not life.engine.work()
        assert [life.done[offset] for offset in range(3)] == [[1], [1], [2]]


@on_loop
async def test_lanes_are_dropped_and_opened_again(tmp_path: Path) -> None:
    with bench(Counting, tmp_path, shards=2, **{CACHE: 4 * 800}) as life:
        for turn in range(1, 6):
            found = await life.run(*((key, 0) for key in range(20)), first=20 * turn)
            assert found == [[turn]] * 20
        assert 1 < len(list(life.engine._lanes.all())) < 20


@on_loop
async def test_durability_machine_keeps_what_is_read_beside_a_commit(tmp_path: Path) -> None:
    """Lanes are opened while groups are committed on a thread, and dropped at once."""
    with bench(Counting, tmp_path, durability="machine", **{CACHE: 2 * 800}) as life:
        for turn in range(30):
            life.send(*((key, 0) for key in range(10)), first=10 * turn)
            await asyncio.sleep(0)
        await life.until(*range(300))
        assert not life.failed
        assert [life.done[offset][0] for offset in range(300)] == [
            1 + offset // 10 for offset in range(300)
        ]


# -- the worker's own business ------------------------------------------------------------------


@on_loop
async def test_the_beacon_names_the_input_whose_code_runs(tmp_path: Path) -> None:
    seen = []
    agent = Agent()
    agent.add_action("act", [InputEvent], lambda event, ctx: seen.append(life.beacon.offset))
    with bench(agent, tmp_path) as life:
        await life.run(("a", 1), ("b", 2), first=7)
        assert seen == [7, 8]
        assert life.beacon.offset is None


class Probe(Resource):
    @classmethod
    def resource_type(cls) -> ResourceType:
        return ResourceType.TOOL

    def model_post_init(self, _context: Any, /) -> None:
        EVENTS.append("made")

    def close(self) -> None:
        EVENTS.append("closed")


EVENTS: list[str] = []


@on_loop
async def test_resources_are_made_once_and_closed(tmp_path: Path) -> None:
    EVENTS.clear()
    agent = Agent()
    agent.add_resource("probe", ResourceType.TOOL, ResourceDescriptor(clazz=Probe))

    def act(event: Any, ctx: RunnerContext) -> None:
        probe = ctx.get_resource("probe", ResourceType.TOOL)
        assert probe.metric_group is ctx.action_metric_group
        assert ctx.durable_execute(probe.resource_type) is ResourceType.TOOL

    agent.add_action("act", [InputEvent], act, verbose=True)
    with bench(agent, tmp_path) as life:
        await life.run(("a", 1), ("b", 2))
        assert EVENTS == ["made"]
    assert EVENTS == ["made", "closed"]


@on_loop
async def test_settings_and_metrics(tmp_path: Path) -> None:
    class Measured(Steps):
        @action(InputEvent, size=3)
        @staticmethod
        def measure(event: Event, ctx: RunnerContext) -> None:
            assert ctx.action_config == {"size": 3}
            assert ctx.get_action_config_value("size") == 3
            assert ctx.get_action_config_value("colour") is None
            assert ctx.config.get_str("greeting") == "hello"
            ctx.agent_metric_group.get_counter("all").inc()
            ctx.action_metric_group.get_counter("mine").inc(2)
            ctx.action_metric_group.get_sub_group("model").get_sub_group("m").get_gauge(
                "size"
            ).update(5)

    with bench(Measured, tmp_path, greeting="hello") as life:
        await life.run(("a", 1), ("b", 2))
        life.metrics.events = life.group.events
        found = life.metrics.snapshot()
        assert found["numOfEventProcessed"] == 2
        assert found["numOfEventProcessedPerSec"]["count"] == 2
        assert found["numOfActionsExecuted"] == 12
        assert found["action.second.numOfActionsExecuted"] == 4
        assert found["action.second.numOfActionsExecutedPerSec"]["count"] == 4
        assert found["all"] == 2
        assert found["action.measure.mine"] == 4
        assert found["action.measure.model.m.size"]["gauge"] == 5


@on_loop
async def test_a_worker_that_closes_cancels_what_runs(tmp_path: Path) -> None:
    agent = Agent()
    cancelled: list[str] = []

    async def act(event: Any, ctx: RunnerContext) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append("task")
            raise

    agent.add_action("act", [InputEvent], act)
    with bench(agent, tmp_path) as life:
        life.send(("k", 1))
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert cancelled == ["task"]
    assert not life.done
    assert not life.halted
    assert sys.exc_info() == (None, None, None)
