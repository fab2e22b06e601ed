"""What one generation of the code has put on record, and another one replays."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from support.worker.durable import CALLS, only_once, plain
from tamias import Agent, Event, InputEvent, OutputEvent
from tamias.agent.errors import DivergenceError
from tamias.store.encoding.values import dumps
from tamias.worker.durable.call_log import CallLog, CallRecord
from tamias.worker.durable.fingerprint import CallIdentity
from tamias.worker.runs.effects import Effects

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tamias import RunnerContext


@pytest.fixture(autouse=True)
def _count_afresh() -> Iterator[None]:
    CALLS.count.clear()
    yield
    CALLS.count.clear()


def paying(name: str, *, forever: bool = False) -> Agent:
    """Pays, goes on to a second step, and waits there."""
    agent = Agent()

    async def first(event: Any, ctx: RunnerContext) -> None:
        paid = await ctx.durable_execute_async(plain, name)
        if forever:
            await asyncio.Event().wait()
        ctx.send_event(OutputEvent(output=paid))

    agent.add_action("first", [InputEvent], first)
    return agent


async def die_after_paying(directory: Path, generation: int, name: str = "Ann") -> None:
    with bench(paying(name, forever=True), directory, generation=generation) as life:
        life.send(("k", 1))
        await life.until_recorded(1)


@on_loop
async def test_records_tell_their_generation_and_are_replayed_by_the_next(tmp_path: Path) -> None:
    await die_after_paying(tmp_path, 3)
    with bench(paying("Ann"), tmp_path, generation=4) as life:
        assert await life.run(("k", 1)) == [["<Ann>"]]
        assert life.generations == {0: 4}
    only_once(1)


@pytest.mark.parametrize("on_error", ["dead-letter", "ignore"])
@on_loop
async def test_a_divergence_between_generations_is_set_aside_at_once_and_tells_both(
    tmp_path: Path, on_error: str
) -> None:
    await die_after_paying(tmp_path, 3)
    with bench(paying("Bob"), tmp_path, generation=4, on_error=on_error, max_attempts=5) as life:
        assert await life.run(("k", 1)) == [[]]
        (letter,) = life.letters()
    assert letter.cause == "divergence"
    assert (letter.recorded_by, letter.generation) == (3, 4)
    assert letter.attempts == 1
    assert "(by generation 3; this is generation 4)" in letter.error
    (line,) = letter.recorded
    assert line.startswith("step 0, call 0: ")
    assert line.endswith("plain returned (generation 3)")
    assert CALLS.count == {"Ann": 1}  # Bob's call was not made


@on_loop
async def test_under_the_policy_fail_the_job_can_go_on_with_the_old_code(tmp_path: Path) -> None:
    await die_after_paying(tmp_path, 3)
    with bench(paying("Bob"), tmp_path, generation=4, on_error="fail") as life:
        life.send(("k", 1))
        await life.until(0)
        (report,) = life.halted
        assert "(by generation 3; this is generation 4)" in report["error"]
    with bench(paying("Ann"), tmp_path, generation=5, on_error="fail") as life:
        assert await life.run(("k", 1)) == [["<Ann>"]]
    only_once(1)


@on_loop
async def test_a_divergence_within_a_generation_is_tried_again(tmp_path: Path) -> None:
    await die_after_paying(tmp_path, 3)
    with bench(paying("Bob"), tmp_path, generation=3, max_attempts=2) as life:
        assert await life.run(("k", 1)) == [[]]
        (letter,) = life.letters()
    assert (letter.cause, letter.attempts) == ("divergence", 2)
    assert (letter.recorded_by, letter.generation) == (3, 3)


def test_records_of_generation_0_look_as_they_always_have() -> None:
    call = CallLog("act").issue("f", CallIdentity(b"print")).succeeded(1)
    assert call.encode() == dumps(("f", b"print", True, True, call.outcome))
    later = CallLog("act", generation=7).issue("f", CallIdentity(b"print")).succeeded(1)
    assert later.generation == 7
    assert CallRecord.decode(0, later.encode()) == later
    assert CallRecord.decode(0, call.encode()) == call
    effects = Effects("act", {}, {}, [Event(type="x")], [b"out"], 7)
    assert Effects.decode(effects.encode()).generation == 7
    old = effects._replace(generation=0).encode()
    assert Effects.decode(old).generation == 0
    assert Effects.origin(old) == ("act", 0)


class Gone:
    """A class that the next generation does not have."""


def test_an_outcome_that_cannot_be_read_is_no_exception_of_the_call() -> None:
    record = CallLog("act", generation=1).issue("f", CallIdentity(b"print")).succeeded(Gone())
    gone = record._replace(outcome=record.outcome.replace(b"Gone", b"Lost"))
    replay = CallLog("act", [gone], generation=2)
    claimed = replay.claim(CallIdentity(b"print"))
    assert claimed is not None
    with pytest.raises(DivergenceError, match="cannot be read") as caught:
        replay.replay(claimed)
    assert (caught.value.recorded_by, caught.value.replayed_by) == (1, 2)
    # An action that catches it fails of it all the same, and the call is not made again.
    assert replay.failed_calls(caught.value) == set()
    with pytest.raises(DivergenceError, match="cannot be read"):
        replay.end()


def test_events_that_cannot_be_read_are_a_divergence() -> None:
    effects = Effects("act", {}, {}, [Event(type="x", value=Gone())], [], 3)
    data = effects.encode().replace(b"Gone", b"Lost")
    with pytest.raises(DivergenceError, match="'act' has sent is on record") as caught:
        Effects.decode(data)
    assert caught.value.recorded_by == 3
