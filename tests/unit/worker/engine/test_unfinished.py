"""A dead letter's retry between two lives of an interrupted run of its key, and the reverse."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import Bench, bench
from tamias import Agent, Event, InputEvent, OutputEvent
from tamias.store.records.journal import CHANGED
from tamias.store.records.offsets import retry_number

if TYPE_CHECKING:
    from pathlib import Path

    from tamias import RunnerContext

RETRY = retry_number(1, 1)


class Counted(Event):
    kind: str


class World:
    """What the agent does now."""

    repaired = False
    held = ""
    """Inputs of this kind stop after their first action."""
    calls: list[Any]


def call(kind: str, argument: Any) -> str:
    World.calls.append((kind, argument))
    return f"{kind}!"


async def count(event: Any, ctx: RunnerContext) -> None:
    kind = event.input
    if kind == "raise" and not World.repaired:
        raise ValueError(kind)
    memory = ctx.short_term_memory
    before = memory.get("count") or 0
    ctx.durable_execute(call, kind, before if kind == "asking" else None)
    memory.set("count", before + 1)
    ctx.send_event(Counted(kind=kind))


async def end(event: Any, ctx: RunnerContext) -> None:
    if event.kind == World.held:
        await asyncio.sleep(3600)
    memory = ctx.short_term_memory
    ctx.durable_execute(call, event.kind, "end")
    memory.set("ends", (memory.get("ends") or 0) + 1)
    ctx.send_event(OutputEvent(output=(event.kind, memory.get("count"))))


def counting() -> Agent:
    agent = Agent()
    agent.add_action("count", [InputEvent], count)
    agent.add_action("end", [Counted], end)
    return agent


@pytest.fixture(autouse=True)
def world() -> None:
    World.repaired, World.held, World.calls = False, "", []


def marks(life: Bench) -> list[bytes]:
    return [
        entry.data
        for shard in life.shards
        for entries in shard.journal().values()
        for entry in entries
        if entry.kind == CHANGED
    ]


async def interrupted(directory: Path, held: str = "held") -> None:
    """Plain, one that fails, one that is interrupted after its first action; all of one key."""
    World.held = held
    with bench(counting(), directory, max_attempts=1) as life:
        life.send(("k", "plain"), ("k", "raise"), ("k", held), ("other", held))
        await life.until(0, 1)
        await life.until_recorded(4)
        assert len(life.letters()) == 1
    World.held, World.repaired = "", True


async def retry(directory: Path, *, held: str = "") -> None:
    World.held = held
    with bench(counting(), directory) as life:
        life.send(("k", "raise"), first=RETRY)
        if held:
            await life.until_recorded(2)
        else:
            await life.until(RETRY)
        assert not life.failed
    World.held = ""


@on_loop
async def test_a_retry_in_between_is_not_undone(tmp_path: Path) -> None:
    await interrupted(tmp_path)
    await retry(tmp_path)
    with bench(counting(), tmp_path) as life:
        assert len(marks(life)) == 2  # of the run, and of the other, whose key is not on record
        outputs = await life.run(("k", "held"), ("other", "held"), ("k", "plain"), first=2)
        assert outputs == [[("held", 3)], [("held", 1)], [("plain", 4)]]
        assert life.memory("k") == {"count": 4, "ends": 4}
        assert life.memory("other") == {"count": 1, "ends": 1}
        assert life.journal() == 0
        assert not life.letters()
    assert World.calls.count(("held", None)) == 2  # one of each key: none was made again
    assert len(World.calls) == 10


@on_loop
async def test_nor_where_the_run_is_interrupted_again(tmp_path: Path) -> None:
    await interrupted(tmp_path)
    await retry(tmp_path)
    World.held = "held"
    with bench(counting(), tmp_path) as life:
        life.send(("k", "held"), first=2)
        while len(marks(life)) == 2:  # noqa: ASYNC110 (there is no event to wait for)
            await asyncio.sleep(0.001)
    World.held = ""
    with bench(counting(), tmp_path) as life:
        assert len(marks(life)) == 1  # its effects are on record again, and fit
        outputs = await life.run(("k", "held"), ("other", "held"), first=2)
        assert outputs == [[("held", 3)], [("held", 1)]]
        assert life.journal() == 0


@on_loop
async def test_an_interrupted_retry_does_not_undo_what_has_run_in_between(tmp_path: Path) -> None:
    await interrupted(tmp_path)
    await retry(tmp_path, held="raise")
    with bench(counting(), tmp_path) as life:
        outputs = await life.run(("k", "held"), ("other", "held"), ("k", "plain"), first=2)
        assert outputs == [[("held", 2)], [("held", 1)], [("plain", 3)]]
    await retry(tmp_path)
    with bench(counting(), tmp_path) as life:
        assert life.done[RETRY] == [("raise", 4)]
        assert life.memory("k") == {"count": 4, "ends": 4}
        assert life.journal() == 0
    assert World.calls.count(("raise", None)) == 1


@on_loop
async def test_an_interrupted_retry_goes_on_where_its_key_was_left_alone(tmp_path: Path) -> None:
    await interrupted(tmp_path)
    with bench(counting(), tmp_path) as life:
        await life.run(("k", "held"), ("other", "held"), first=2)
    await retry(tmp_path, held="raise")
    with bench(counting(), tmp_path) as life:
        await life.run(("other", "plain"), first=4)
        assert marks(life) == []
    await retry(tmp_path)
    with bench(counting(), tmp_path) as life:
        assert life.memory("k") == {"count": 3, "ends": 3}
        assert life.journal() == 0


@on_loop
async def test_calls_that_the_changed_memory_makes_others_are_a_divergence_that_says_so(
    tmp_path: Path,
) -> None:
    await interrupted(tmp_path, held="asking")
    await retry(tmp_path)
    with bench(counting(), tmp_path) as life:
        await life.run(("k", "asking"), first=2)
        (letter,) = life.letters()
        assert letter.cause == "divergence"
        assert "A dead letter of this key was retried while this run was" in letter.error
        assert life.memory("k") == {"count": 2, "ends": 2}
