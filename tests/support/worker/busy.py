"""An agent that waits in all ways, and a judge of what came of it.

Each run counts itself in its key's memory and has the count in its output. So if the counts of a
key's outputs are 1 to n, in this order, each run has had its effect once and in its place.
"""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from tamias import Agent, EndOfInputEvent, Event, InputEvent, OutputEvent, WaitTimeoutError, action
from tamias.store import clock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias import RunnerContext

KINDS = ("plain sleep short gather ask late set cancel reset chain flaky ask-sleep repeat").split()
LONG = 50.0
"""Seconds of a long sleep."""

CALLS: Counter[tuple[int, str]] = Counter()
FAILED: set[int] = set()


class Tick(Event):
    """Sent by timers."""

    i: int
    due: float
    left: int = 0


class Next(Event):
    """To the second action."""

    i: int
    calls: dict[str, int]


def call(i: int, name: str) -> int:
    """An effect on the world, which never answers twice the same."""
    CALLS[i, name] += 1
    return CALLS[i, name]


async def slow_call(i: int, name: str) -> int:
    """The same, for an event loop."""
    await asyncio.sleep(0.001)
    return call(i, name)


def count(ctx: RunnerContext) -> int:
    """Count a run."""
    number = (ctx.short_term_memory.get("count") or 0) + 1
    ctx.short_term_memory.set("count", number)
    return number


class Busy(Agent):
    """Does what the kind of an input says."""

    @action(InputEvent)
    @staticmethod
    async def first(event: InputEvent, ctx: RunnerContext) -> None:
        """Take an input in."""
        i, kind = event.input
        number = count(ctx)
        calls: dict[str, int] = {}
        note = await WAYS[kind](ctx, i, calls) if kind in WAYS else plain_ways(ctx, i, kind)
        if kind == "chain":
            calls["chain"] = ctx.durable_execute(call, i, "chain")
            ctx.send_event(Next(i=i, calls=calls))
        else:
            ctx.send_event(OutputEvent(output=("input", ctx.key, i, number, note, calls)))

    @action(Next)
    @staticmethod
    async def second(event: Next, ctx: RunnerContext) -> None:
        """Wait in the second action, too."""
        await ctx.sleep(LONG)
        calls = {**event.calls, "next": ctx.durable_execute(call, event.i, "next")}
        number = ctx.short_term_memory.get("count")
        ctx.send_event(OutputEvent(output=("input", ctx.key, event.i, number, None, calls)))

    @action(Tick)
    @staticmethod
    async def tick(event: Tick, ctx: RunnerContext) -> None:
        """A timer has come: some wait themselves, some set the next one."""
        early = event.due - clock.now()
        if event.i % 3 == 0:
            await ctx.sleep(LONG)
        if event.left:
            set_timer(ctx, event.i, ctx.now().timestamp() + 1, left=event.left - 1)
        note = (event.left, max(0.0, early))
        ctx.send_event(OutputEvent(output=("timer", ctx.key, event.i, count(ctx), note, {})))

    @action(EndOfInputEvent)
    @staticmethod
    async def end(event: EndOfInputEvent, ctx: RunnerContext) -> None:
        """The end of the input: it waits, too."""
        await ctx.sleep(LONG)
        ctx.send_event(OutputEvent(output=("end", ctx.key, -1, count(ctx), None, {})))


async def sleep(ctx: RunnerContext, i: int, calls: dict[str, int]) -> None:
    """Sleep between two calls."""
    calls["before"] = await ctx.durable_execute_async(slow_call, i, "before")
    before = ctx.now()
    await ctx.sleep(LONG)
    assert (ctx.now() - before).total_seconds() >= LONG
    calls["after"] = ctx.durable_execute(call, i, "after")


async def short(ctx: RunnerContext, i: int, calls: dict[str, int]) -> None:
    """Sleep for so short that the run stays."""
    await ctx.sleep(0.003)
    calls["after"] = ctx.durable_execute(call, i, "after")


async def gather(ctx: RunnerContext, i: int, calls: dict[str, int]) -> Any:
    """Wait for several things at once."""

    async def sleep_and_call(name: str, seconds: float) -> None:
        await ctx.sleep(seconds)
        calls[name] = await ctx.durable_execute_async(slow_call, i, name)

    answer, *_ = await asyncio.gather(
        ctx.wait_for("gather", ask=i),
        sleep_and_call("long", LONG),
        sleep_and_call("short", 0.002),
        sleep_and_call("now", 0),
    )
    return answer


async def ask(ctx: RunnerContext, i: int, calls: dict[str, int]) -> Any:
    """Have an answer between two calls."""
    calls["before"] = ctx.durable_execute(call, i, "before")
    answer = await ctx.wait_for("ask", ask=i)
    calls[f"after {answer}"] = ctx.durable_execute(call, i, f"after {answer}")
    return answer


async def ask_and_sleep(ctx: RunnerContext, i: int, calls: dict[str, int]) -> Any:
    """Sleep when the answer has come."""
    answer = await ask(ctx, i, calls)
    await ctx.sleep(LONG)
    return answer


async def late(ctx: RunnerContext, *_: Any) -> Any:
    """Ask what nobody answers."""
    try:
        return await ctx.wait_for("late", timeout=LONG)
    except WaitTimeoutError:
        return "late"


async def flaky(ctx: RunnerContext, i: int, calls: dict[str, int]) -> None:
    """Fail once, behind a wait."""
    await ctx.sleep(LONG)
    calls["once"] = ctx.durable_execute(call, i, "once")
    now = ctx.now().timestamp()
    if i not in FAILED:
        FAILED.add(i)
        ctx.cancel("x")
        set_timer(ctx, i, now)
        raise ValueError("the first attempt fails")


WAYS = {
    "sleep": sleep,
    "short": short,
    "gather": gather,
    "ask": ask,
    "ask-sleep": ask_and_sleep,
    "late": late,
    "flaky": flaky,
}


def plain_ways(ctx: RunnerContext, i: int, kind: str) -> Any:
    """What needs no waiting: setting and cancelling timers."""
    if kind in {"set", "chain"}:
        set_timer(ctx, i, ctx.now().timestamp() + LONG)
    elif kind == "cancel":
        return [ctx.cancel("x"), ctx.cancel("x")]
    elif kind == "reset":
        cancelled = ctx.cancel("x")
        set_timer(ctx, i, ctx.now().timestamp() + LONG, "x")
        return [cancelled]
    elif kind == "repeat":
        set_timer(ctx, i, ctx.now().timestamp() + 1, left=3)
    return None


def set_timer(
    ctx: RunnerContext, i: int, due: float, timer_id: str | None = None, left: int = 0
) -> None:
    """Set a timer that knows when it is due."""
    ctx.schedule(at=due, event=Tick(i=i, due=due, left=left), id=timer_id)


def expected_timers(kind: str) -> list[int]:
    """What is left of the repetitions of each timer that an input of this kind sets."""
    return {"set": [0], "chain": [0], "repeat": [3, 2, 1, 0]}.get(kind, [])


def wrong(inputs: list[tuple[Any, tuple[int, str]]], order: list[Any]) -> list[str]:
    """What is not as it must be in the outputs of a job that has come to its end."""
    found: list[str] = []
    by_key: dict[Any, list[Any]] = defaultdict(list)
    for output in order:
        by_key[output[1]].append(output)
        for name, answer in output[5].items():
            if answer != CALLS[output[2], name]:
                found.append(f"call {name} of {output[2]} was made again though on record")
    for key in {key for key, _ in inputs}:
        outputs = by_key.pop(key, [])
        numbers = [output[3] for output in outputs]
        if numbers != list(range(1, len(outputs) + 1)):
            found.append(f"runs of {key} are counted {numbers}")
        kinds = dict(value for k, value in inputs if k == key)
        done = [output[2] for output in outputs if output[0] == "input"]
        if done != list(kinds):
            found.append(f"inputs of {key} were run in the order {done}, not {list(kinds)}")
        ended = sum(output[0] == "end" for output in outputs)
        if ended != 1:
            found.append(f"the end of the input came {ended} times to {key}")
        found += [*_wrong_timers(kinds, outputs), *_wrong_cancels(kinds, outputs)]
    return found + [f"outputs of {key}" for key in by_key]


def _wrong_timers(kinds: dict[int, str], outputs: list[Any]) -> Iterator[str]:
    timers: dict[int, list[int]] = defaultdict(list)
    for what, _, i, _, note, _ in outputs:
        if what == "timer":
            left, early = note
            if early:
                yield f"a timer of input {i} came {early} s early"
            timers[i].append(left)
    for i, kind in kinds.items():
        if kind != "reset" and timers[i] != expected_timers(kind):
            yield f"timers of input {i} ({kind}) came with {timers[i]} left"


def _wrong_cancels(kinds: dict[int, str], outputs: list[Any]) -> Iterator[str]:
    """The timer "x" comes once unless it is cancelled, and what cancels it says so."""
    set_by: int | None = None
    for what, _, i, _, note, _ in outputs:
        if what == "timer" and kinds[i] == "reset":
            if set_by != i:
                yield f"the timer of input {i} came, which was cancelled or over"
            set_by = None
        elif what == "input" and kinds[i] in {"cancel", "reset"}:
            if note[0] != (set_by is not None) or note[1:] not in ([], [False]):
                yield f"input {i} has cancelled {note}, and {set_by} had set it"
            set_by = i if kinds[i] == "reset" else None
        elif what == "input" and kinds[i] == "late" and note != "late":
            yield f"input {i} has got {note}"
    if set_by is not None:
        yield f"the timer of input {set_by} has not come"
