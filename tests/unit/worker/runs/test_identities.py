"""Ids that are read before an event is sent: kept, unique, and the same in each replay."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from support.loops import on_loop
from support.profiles import SHARED_FIXTURE, examples
from support.worker.bench import CrashError, bench
from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Request(Event):
    """Equal for equal contents, whatever the id."""

    program: Any


def identified(program: Any) -> Request:
    """An event that is identified inside a durable function."""
    made = Request(program=program)
    assert made.id is not None
    return made


async def identified_later(program: Any) -> Request:
    """The same."""
    await asyncio.sleep(0)
    return identified(program)


class Interpreter(Agent):
    """Does what the program in an event says, and outputs all ids that it has seen.

    A program is a list of (operation, argument). What is sent is a program, too.
    """

    @action(InputEvent)
    @staticmethod
    def begin(event: Event, ctx: RunnerContext) -> None:
        plain(event.input, ctx)

    @action(Request)
    @staticmethod
    async def go_on(event: Request, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=("received", str(event.id))))
        await concurrent(event.program, ctx)


def plain(program: Any, ctx: RunnerContext) -> None:
    for operation, argument in program:
        made = Request(program=argument)
        if operation == "call":
            made = ctx.durable_execute(identified, argument)
        if operation in {"read", "keep", "call", "copy"}:
            ctx.send_event(OutputEvent(output=("read", str(made.id))))
        if operation == "copy":
            ctx.send_event(made.model_copy())
        if operation != "read":
            ctx.send_event(made)
        if operation in {"keep", "call"}:
            ctx.send_event(OutputEvent(output=("sent", str(made.id))))


async def concurrent(program: Any, ctx: RunnerContext) -> None:
    """Do it in tasks, one for each operation, which take turns."""
    found = await asyncio.gather(*(one(ctx, number, *each) for number, each in enumerate(program)))
    for number, (operation, made, before) in enumerate(found):
        # Sent by the action itself, in order: only the ids were read by tasks.
        if before:
            ctx.send_event(OutputEvent(output=("read", before)))
        if operation == "copy":
            ctx.send_event(made.model_copy())
        if operation != "read":
            ctx.send_event(made)
        if operation in {"keep", "call"}:
            assert str(made.id) == before, number


async def one(ctx: RunnerContext, number: int, operation: str, argument: Any) -> Any:
    made = Request(program=argument)
    for _ in range(TURNS[number % len(TURNS)]):
        await asyncio.sleep(0)
    if operation == "call":
        made = await ctx.durable_execute_async(identified_later, argument)
    before = str(made.id) if operation in {"read", "keep", "call", "copy"} else ""
    return operation, made, before


TURNS = [0]
"""How many turns each task waits; other ones in each life."""

OPERATIONS = ("keep", "read", "send", "copy")


def programs(*operations: str) -> st.SearchStrategy[Any]:
    """Programs whose second generation does several things at once."""
    operation = st.sampled_from(operations)
    last: st.SearchStrategy[Any] = st.lists(st.tuples(operation, st.just([])), max_size=2)
    second = st.lists(st.tuples(operation, last), min_size=2, max_size=4)
    first = st.lists(st.tuples(operation, second), max_size=1)
    return st.builds(lambda some, inner: [*some, ("keep", inner)], first, second)


@settings(max_examples=examples(30), suppress_health_check=SHARED_FIXTURE)
@given(
    program=programs(*OPERATIONS) | programs("call", *OPERATIONS),
    turns=st.lists(st.permutations(range(4)), min_size=1, max_size=4),
    commits=st.integers(1, 4),
    dies_after=st.booleans(),
)
@on_loop
async def test_ids_are_the_same_in_each_replay(
    program: Any,
    turns: list[list[int]],
    commits: int,
    dies_after: Any,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("ids")
    inputs = (("k", program), ("other", program))
    TURNS[:] = [0]
    with bench(Interpreter, folder / "undisturbed") as life:
        expected = await life.run(*inputs)
    for number in range(1000):
        TURNS[:] = turns[number % len(turns)]
        with bench(
            Interpreter, folder / "shard", commits_left=commits, dies_after=dies_after
        ) as life:
            if len(life.done) < len(inputs):
                life.send(*inputs)
                await life.until(*range(len(inputs)))
            assert all(isinstance(error, CrashError) for error in life.failed), life.failed
            if len(life.done) == len(inputs):
                break
    found = [life.done[offset] for offset in range(len(inputs))]
    # Those that durable functions make are random, but kept.
    if "call" not in str(program):
        assert found == expected
    check_unique(found)


def check_unique(found: list[Any]) -> None:
    """An id was read once, sent once and received once at most, and no two events share it."""
    seen = Counter(pair for outputs in found for pair in outputs)
    assert set(seen.values()) <= {1}, seen
    for what, identity in seen:
        if what == "sent":
            assert seen["received", identity] == seen["read", identity] == 1


async def outputs_of(act: Any, folder: Path, **options: Any) -> list[Any]:
    agent = Agent().add_action("act", [InputEvent], act)
    agent.add_action("received", [Request], received)
    with bench(agent, folder, **options) as life:
        [found] = await life.run(("k", 1))
    return found


def received(event: Request, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(("received", event.program, str(event.id))))


@on_loop
async def test_the_id_that_was_read_is_the_one_that_is_received(tmp_path: Path) -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        requests = [Request(program=number) for number in range(3)]
        ids = [str(request.id) for request in requests]
        for request in reversed(requests):
            ctx.send_event(request)
        ctx.send_event(OutputEvent(ids))

    ids, *others = await outputs_of(act, tmp_path)
    assert len(set(ids)) == 3
    assert others == [("received", number, ids[number]) for number in (2, 1, 0)]


@on_loop
async def test_of_an_event_and_its_copies_the_first_one_sent_keeps_the_id(tmp_path: Path) -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        plain_one = Event(type="Request", attributes={"program": 1})
        ctx.send_event(OutputEvent(str(plain_one.id)))
        ctx.send_event(Request.from_event(plain_one))
        ctx.send_event(Request.from_event(plain_one))

    [identity, (_, _, first), (_, _, second)] = await outputs_of(act, tmp_path)
    assert identity == first != second


@on_loop
async def test_an_event_that_is_sent_on_is_another_event(tmp_path: Path) -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        request = Request(program=3)
        ctx.send_event(OutputEvent(str(request.id)))
        ctx.send_event(request)

    def forward(event: Request, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(str(event.id)))
        if event.program:
            event.program -= 1
            ctx.send_event(event)

    agent = Agent().add_action("act", [InputEvent], act).add_action("forward", [Request], forward)
    with bench(agent, tmp_path) as life:
        [[first, *ids]] = await life.run(("k", 1))
    assert ids[0] == first
    assert len(set(ids)) == 4


@on_loop
async def test_an_event_of_the_module_gets_the_id_of_each_run(tmp_path: Path) -> None:
    shared = Request(program=0)
    outside = str(shared.id)

    def act(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(shared)

    agent = Agent().add_action("act", [InputEvent], act).add_action("get", [Request], received)
    with bench(agent, tmp_path) as life:
        found = await life.run(("k", 1), ("k", 2))
    ids = {identity for [(_, _, identity)] in found}
    assert len(ids) == 2
    assert outside not in ids


@on_loop
async def test_on_a_thread_the_ids_are_those_of_the_loop(tmp_path: Path) -> None:
    threads = []

    def act(event: Event, ctx: RunnerContext) -> None:
        threads.append(threading.current_thread())
        request = Request(program=0)
        ctx.send_event(OutputEvent(str(request.id)))
        ctx.send_event(request)

    here = await outputs_of(act, tmp_path / "loop")
    there = await outputs_of(act, tmp_path / "thread", sync_in_threads=True)
    assert here == there
    assert here[0] == here[1][2]
    assert threads[0] is not threads[1]


@on_loop
async def test_threads_of_an_asynchronous_action_belong_to_its_run(tmp_path: Path) -> None:
    async def act(event: Event, ctx: RunnerContext) -> None:
        request = Request(program=0)
        identity = await asyncio.to_thread(lambda: str(request.id))
        ctx.send_event(request)
        ctx.send_event(OutputEvent(identity))

    one = await outputs_of(act, tmp_path / "one")
    other = await outputs_of(act, tmp_path / "other")
    assert one == other
    assert one[0] == one[1][2]


@on_loop
async def test_a_plain_event_of_the_type_of_outputs_is_an_output(tmp_path: Path) -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(Event(type="_output_event", attributes={"output": 1}))
        ctx.send_event(Event(type=OutputEvent.EVENT_TYPE, output=2))
        ctx.send_event(OutputEvent(3))

    assert await outputs_of(act, tmp_path) == [1, 2, 3]


@on_loop
async def test_events_that_no_action_hears_are_counted(tmp_path: Path) -> None:
    def act(event: Event, ctx: RunnerContext) -> None:
        for _ in range(3):
            ctx.send_event(Event(type="nobody", attributes={"program": 1}))
            ctx.send_event(Other())

    class Other(Event):
        """Of a class that no action listens to."""

    agent = Agent().add_action("act", [InputEvent, "missing > 1"], act)
    with bench(agent, tmp_path) as life:
        await life.run(("k", 1))
        counts = life.metrics.snapshot()
        notices = life.metrics.notices.counts()
    assert (counts["numOfEventsUnheard"], counts["numOfConditionFailures"]) == (6, 6)
    assert set(notices.values()) == {3}
    assert len(notices) == 4
