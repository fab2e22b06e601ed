"""A run that waits for days sees memory as of its moment, while other keys go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from support.moved_clock import MovedClock
from tamias import (
    Agent,
    AgentFailedError,
    AgentsExecutionEnvironment,
    Event,
    InputEvent,
    OutputEvent,
    RunnerContext,
    action,
)
from tamias.store.state.deep import read_shard
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400.0
_calls: list[Any] = []
_broken: list[bool] = []


def call(*arguments: Any) -> list[Any]:
    _calls.append(arguments)
    return list(arguments)


class Patient(Agent):
    """A text is added to the memory of its key; for a number it looks, waits, and looks again."""

    @action(InputEvent)
    @staticmethod
    async def begin(event: Event, ctx: RunnerContext) -> None:
        if isinstance(event.input, str):
            ctx.short_term_memory.set(event.input, event.input)
            ctx.long_term_memory.get_memory_set("notes").add(event.input, event.input)
            return
        first = await ctx.durable_execute_async(call, "first", look(ctx))
        await ctx.sleep(event.input)
        second = await ctx.durable_execute_async(call, "second", look(ctx))
        ctx.send_event(Event(type="waited", attributes={"seen": [first, second]}))

    @action("waited")
    @staticmethod
    async def end(event: Event, ctx: RunnerContext) -> None:
        await ctx.sleep(2 * DAY)
        third = await ctx.durable_execute_async(call, "third", look(ctx))
        ctx.short_term_memory.set("last", "x")
        ctx.send_event(OutputEvent(output=[*event.get_attr("seen"), third]))


def look(ctx: RunnerContext) -> Any:
    """All that the run sees."""
    notes = ctx.long_term_memory.get_memory_set("notes")
    found = [item.value for item in notes.get()]
    return [ctx.short_term_memory.get_field_names(), found, notes.size, len(notes.search("a b"))]


def test_a_run_that_waits_for_days_sees_what_it_saw_and_then_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = MovedClock(monkeypatch)
    inputs: list[dict[str, Any]] = []

    def go_on(*more: tuple[Any, Any], at_end: str = "suspend") -> list[Any]:
        env: Any = AgentsExecutionEnvironment.get_execution_environment(
            **{
                "workers": 1,
                "shards": 1,
                "state-dir": str(tmp_path / "state"),
                "short-term-memory.state-ttl.ms": "1d",
                "short-term-memory.state-ttl.update-type": "ON_CREATE_AND_WRITE",
                "long-term-memory.ttl": "1d",
                "suspend-after": 0,
                "at-end": at_end,
            }
        )
        inputs.extend({"key": key, "value": value} for key, value in more)
        outputs: list[Any] = env.from_list(inputs).apply(Patient).to_list()
        env.execute()
        return [value for output in outputs for value in output.values()]

    go_on(("k", "a"), ("k", "b"))
    clock.advance(DAY / 2)
    assert go_on(("k", 4 * DAY)) == []
    for day in range(3):
        clock.advance(DAY)
        go_on(*((f"other{n}", f"a{day}") for n in range(4)))
    with StoreReader(tmp_path / "state") as reader:
        assert reader.memory("k") is None
        read_shard(reader.view.layout.shard(0), 0, 1, None)
    assert reader_counts(tmp_path)["memory"] > 4, "what the run sees is still there"
    clock.advance(1.1 * DAY)
    go_on(("other0", "a"))
    clock.advance(2.1 * DAY)
    seen = [["a", "b"], ["a", "b"], 2, 2]
    assert go_on(("other0", "b")) == [
        [["first", seen], ["second", seen], ["third", seen]],
    ]
    assert [name for name, _ in _calls] == ["first", "second", "third"]
    clock.advance(100)
    go_on(*((f"other{n}", "c") for n in range(4)))
    clock.advance(DAY)
    for _ in range(3):
        go_on(("other9", "c"))
    with StoreReader(tmp_path / "state") as reader:
        assert reader.memory("k") is None
        read_shard(reader.view.layout.shard(0), 0, 1, None)
    counts = reader_counts(tmp_path)
    assert (counts["memory"], counts["expiring"]) == (1, 2)


def reader_counts(path: Path) -> dict[str, int]:
    """How many records each table has."""
    with StoreReader(path / "state") as reader, reader.shard(0) as snapshot:
        assert snapshot is not None
        return snapshot.counts()


class Fragile(Agent):
    """Fails between two looks at memory as long as `_broken` says so."""

    @action(InputEvent)
    @staticmethod
    async def work(event: Event, ctx: RunnerContext) -> None:
        if event.input == "set":
            ctx.short_term_memory.set("a", 1)
            ctx.long_term_memory.get_memory_set("notes").add("a", "a")
            return
        first = await ctx.durable_execute_async(call, "before", look(ctx))
        if _broken:
            raise ValueError("broken")
        ctx.send_event(OutputEvent(output=[first, look(ctx)]))


def test_a_run_that_a_failed_job_has_begun_sees_what_it_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = MovedClock(monkeypatch)
    _calls.clear()
    inputs: list[dict[str, Any]] = [{"key": "k", "value": "set"}]

    def go_on() -> list[Any]:
        env: Any = AgentsExecutionEnvironment.get_execution_environment(
            **{
                "workers": 1,
                "shards": 1,
                "state-dir": str(tmp_path / "state"),
                "short-term-memory.state-ttl.ms": "1h",
                "long-term-memory.ttl": "1h",
            }
        )
        outputs: list[Any] = env.from_list(inputs).apply(Fragile).to_list()
        env.execute()
        return [value for output in outputs for value in output.values()]

    go_on()
    inputs.append({"key": "k", "value": "look"})
    _broken.append(True)
    with pytest.raises(AgentFailedError, match="broken"):
        go_on()
    clock.advance(DAY)
    _broken.clear()
    inputs.extend({"key": n, "value": "set"} for n in range(20))
    inputs.append({"key": "k", "value": "look"})
    seen, gone = [["a"], ["a"], 1, 1], [[], [], 0, 0]
    assert go_on() == [[["before", seen], seen], [["before", gone], gone]]
    assert len(_calls) == 2
