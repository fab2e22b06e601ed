"""The agent under fire: every kind of action, memory, call and wait, and nothing random in it.

What it does to an input follows from the input's `kind` and from the key's memory alone, so that
`model.py` can compute what has to come out. The only thing that differs from call to call is
the *token* that the outside world gives to each durable call: it is written to the call log, and
it reaches outputs and memory. So it shows whether a result came from the record or from a call
that should not have been made.

Runs of timers come when they come, so they and the end of the input have memory of their own, and
each says in its output what it must be judged by.

Environment: `FIRE_CALLS` is the file that durable calls append to; `FIRE_REPAIRED`, if set, lets
kinds `broken-...` succeed, which are sent to the dead letters without it; `FIRE_PREFETCH`, if
set, has workers read so few fields of a key at once that most are read one by one.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import tamias.worker.runs.lane
from tamias import (
    Agent,
    EndOfInputEvent,
    Event,
    InputEvent,
    OutputEvent,
    RateLimited,
    RunnerContext,
    TokenUsage,
    WaitTimeoutError,
    action,
)
from tamias.agent.limits.limited_call import LimitedCall, Route
from tamias.store import clock
from tamias.store.sets.folding import Sizes
from tamias.store.sets.writing import SetWriter

SetWriter.sizes = Sizes(tail=4, chunk=16)  # so that chunks are made and joined all the time
if "FIRE_PREFETCH" in os.environ:
    vars(tamias.worker.runs.lane)["PREFETCH_FIELDS"] = int(os.environ["FIRE_PREFETCH"])

_already_failed: set[int] = set()


def overflow_the_stack() -> None:
    """Recurse in C code until the stack ends."""
    nested: list[Any] = []
    for _ in range(1_000_000):
        nested = [nested]
    sys.setrecursionlimit(1 << 30)
    repr(nested)


def spin() -> None:
    """Never come back, and never let go."""
    while True:
        pass


FORKS = ("fork-return", "fork-raise")
"""Kinds whose child comes back from the action."""
TIMERS = ("tick", "ticks", "arm", "disarm")
"""Kinds that set and cancel timers."""
SHORT = ("plain", "note", "call", "callfail", "twice", "flaky", "child", *FORKS, *TIMERS)
"""Kinds whose runs end with the first action."""
FEW = 10
"""Items of the bounded memory set of each key."""
NAP = 0.05
"""Seconds; `suspend-after` is less."""

DEADLY: dict[str, Callable[[], object]] = {
    "segv": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(7),
    "abort": os.abort,
    "overflow": overflow_the_stack,
    "spin": spin,
    "sleep": lambda: time.sleep(3600),
}


class Middle(Event):
    """From the first action to those in the middle."""

    i: int
    n: int
    kind: str


class Last(Event):
    """From a middle action to the last."""

    i: int
    n: int


class Tick(Event):
    """Sent by a timer."""

    i: int
    due: float
    left: int = 0


def outside(i: int, name: str) -> str:
    """The outside world: counts the call, and never answers twice the same."""
    token = uuid4().hex[:12]
    descriptor = os.open(os.environ["FIRE_CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{i} {name} {token}\n".encode())
    finally:
        os.close(descriptor)
    return token


def slow_outside(i: int, name: str) -> str:
    """The same, taking its time: for a thread."""
    time.sleep(0.0005)
    return outside(i, name)


def failing_outside(i: int, name: str) -> str:
    """The same, answering with an exception."""
    raise ValueError(outside(i, name))


async def async_outside(i: int, name: str) -> str:
    """The same, for an event loop: waits before and after."""
    await asyncio.sleep(0.0002 * (i % 3))
    token = outside(i, name)
    await asyncio.sleep(0.0002 * (i % 5))
    return token


class Limited(LimitedCall):
    """The same, as a call with a limit that uses ten tokens; the first route is always down."""

    routes = (Route("down", tokens=10), Route("outside", tokens=10))
    function = staticmethod(outside)

    def __init__(self, i: int, name: str) -> None:
        self.arguments = (i, name)

    async def attempt(self, route: int) -> str:
        """Make the call on the event loop."""
        await asyncio.sleep(0.0002)
        return self.attempt_now(route)

    def attempt_now(self, route: int) -> str:
        """Make the call by the second route."""
        if route == 0:
            raise RateLimited("always", retry_after=1)
        return outside(*self.arguments)

    def usage(self, result: str) -> TokenUsage:
        """Ten tokens."""
        return TokenUsage(prompt_tokens=4, completion_tokens=len(result) - 6)


def _remember(ctx: RunnerContext, n: int) -> int:
    """Change fields of all sorts; returns the key's count."""
    memory = ctx.short_term_memory
    count = (memory.get("count") or 0) + 1
    memory.set("count", count)
    memory.set("sum", (memory.get("sum") or 0) + n)
    recent = memory.get("recent") or []
    recent.append(n)
    memory.set("recent", recent[-5:])
    memory.set("stats.largest.n", max(memory.get("stats.largest.n") or 0, n))
    memory.set("stats.largest.at", count)
    memory.set(f"by.residue{n % 7}", (memory.get(f"by.residue{n % 7}") or 0) + 1)
    if count % 10 == 0:
        bag = memory.new_object("bag", overwrite=True)
        bag.set(f"b{n % 13}", n)
    else:
        memory.set(f"bag.b{n % 13}", n)
    return count


def _add_notes(ctx: RunnerContext, i: int, n: int) -> list[Any]:
    """Add to memory sets, replace, and delete from them; returns what is in the key's own."""
    notes = ctx.long_term_memory.get_memory_set("notes")
    counted = notes.get("count")
    notes.add([f"{i} {k}" for k in range(6)])
    notes.add(str(int(counted[0].value) + 1 if counted else 1), "count")
    if n % 3 == 0:
        notes.delete([item.id for item in notes.get(limit=5)])
    few = ctx.long_term_memory.get_memory_set("few", capacity=FEW)
    if not few.get("pinned"):
        few.add("pinned", "pinned", keep=True)
    few.add([f"{i} {k}" for k in range(3)])
    few.add(f"Same {n % 3}" if i % 2 else f"same  {n % 3}")
    shared = ctx.long_term_memory.get_memory_set("all", shared=True)
    own = shared.add(str(i))
    found = shared.get(own)[0].value
    return [notes.size, [item.value for item in few.get()], found]


def _call_in_first(ctx: RunnerContext, i: int, n: int, kind: str) -> Any:
    """What some kinds do in the first action: durable calls, changes of memory sets."""
    if kind == "call":
        token = ctx.durable_execute(outside, i, "sync")
        ctx.short_term_memory.set("token", token)
        return token
    if kind == "callfail":
        try:
            return ctx.durable_execute(failing_outside, i, "fail")
        except ValueError as error:
            return str(error)
    if kind == "note":
        return _add_notes(ctx, i, n)
    if kind == "twice":
        return [ctx.durable_execute(outside, i, "one"), ctx.durable_execute(outside, i, "two")]
    return None


def _set_timers(ctx: RunnerContext, i: int, n: int, kind: str) -> bool | None:
    """Set and cancel timers; returns whether one was cancelled."""
    cancelled = ctx.cancel(f"t{n % 2}") if kind in {"arm", "disarm"} else None
    if kind != "disarm":
        due = ctx.now().timestamp() + NAP
        tick = Tick(i=i, due=due, left=2 if kind == "ticks" else 0)
        ctx.schedule(at=due, event=tick, id=f"t{n % 2}" if kind == "arm" else None)
    return cancelled


async def _wait(ctx: RunnerContext, i: int, kind: str) -> Any:
    """Wait, between durable calls, in one of several ways."""

    async def nap_and_call(name: str) -> str:
        await ctx.sleep(NAP)
        answer: str = await ctx.durable_execute_async(async_outside, i, name)
        return answer

    if kind == "naps":
        return await asyncio.gather(
            nap_and_call("p0"),
            ctx.durable_execute_async(slow_outside, i, "p1"),
            nap_and_call("p2"),
        )
    note: list[Any] = [await ctx.durable_execute_async(async_outside, i, "n0")]
    if kind == "ask":
        note.append({"answer": await ctx.wait_for("ask", ask=i)})
    elif kind == "late":
        try:
            note.append(await ctx.wait_for("late", NAP))
        except WaitTimeoutError:
            note.append("late")
    else:
        await ctx.sleep(NAP)
    note.append(ctx.durable_execute(outside, i, "n1"))
    return note


WAITING = ("nap", "flaky-nap", "naps", "ask", "late")


def _fail_once(ctx: RunnerContext, i: int) -> None:
    """Fail at the first attempt (of this worker), leaving behind what must be rolled back."""
    if i not in _already_failed:
        _already_failed.add(i)
        ctx.short_term_memory.set("count", -1)
        ctx.short_term_memory.set("garbage", i)
        ctx.sensory_memory.set("garbage", i)
        ctx.send_event(OutputEvent(output="garbage"))
        raise ValueError("the first attempt fails")


def _fork(kind: str) -> None:
    """Have a child come back from here beside the worker."""
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    elif kind == "fork-raise":
        raise RuntimeError("in the child")


class FireAgent(Agent):
    """InputEvent -> Middle (two listeners) -> Last -> outputs on the way."""

    @action(InputEvent)
    @staticmethod
    def first(event: InputEvent, ctx: RunnerContext) -> None:
        """Take an input in: most kinds end here, others send a Middle."""
        i, n, kind = event.input["i"], event.input["n"], event.input["kind"]
        if kind.startswith("broken-"):
            kind = kind.removeprefix("broken-")
            if "FIRE_REPAIRED" not in os.environ:
                raise ValueError("this code is broken")
        sensory = ctx.sensory_memory
        clean = not sensory.get_field_names()
        sensory.set("from.first", i)
        count = _remember(ctx, n)
        note = _set_timers(ctx, i, n, kind) if kind in TIMERS else _call_in_first(ctx, i, n, kind)
        if kind == "flaky":
            _fail_once(ctx, i)
        elif kind == "raise":
            ctx.send_event(OutputEvent(output="never"))
            raise ValueError("every attempt fails")
        elif kind == "child":
            subprocess.Popen(["sleep", "600"])
        elif kind in FORKS:
            _fork(kind)
        elif kind in DEADLY:
            DEADLY[kind]()
        ctx.send_event(
            OutputEvent(
                output={
                    "i": i,
                    "step": "first",
                    "count": count,
                    "clean": clean,
                    "note": note,
                    "id": str(event.id),
                }
            )
        )
        if kind not in SHORT:
            ctx.send_event(Middle(i=i, n=n, kind=kind))

    @action(Middle)
    @staticmethod
    async def middle(event: Middle, ctx: RunnerContext) -> None:
        """Wait, call, remember, send on."""
        i, n, kind = event.i, event.n, event.kind
        memory = ctx.short_term_memory
        note: Any = None
        if kind.startswith("async-"):
            await asyncio.sleep(0)
            ctx.durable_execute(outside, i, "deadly")
            DEADLY[kind.removeprefix("async-")]()
        if kind == "thread-hang":
            await ctx.durable_execute_async(time.sleep, 3600)
        if kind == "hang":
            await asyncio.sleep(3600)
        elif kind == "slow":
            await asyncio.sleep(0.002 * (i % 4))
        elif kind in ("gather", "flaky-gather"):
            note = await asyncio.gather(
                *(ctx.durable_execute_async(async_outside, i, f"g{k}") for k in range(3))
            )
        elif kind == "limited":
            note = await asyncio.gather(
                *(ctx.durable_execute_async(Limited(i, f"l{k}")) for k in range(2))
            )
            note.append(ctx.durable_execute(Limited(i, "l2")))
        elif kind == "threads":
            note = await asyncio.gather(
                *(ctx.durable_execute_async(slow_outside, i, f"t{k}") for k in range(2))
            )
        elif kind == "mixed":
            note = [await ctx.durable_execute_async(async_outside, i, "m0")]
            note.append(ctx.durable_execute(outside, i, "m1"))
            note += await asyncio.gather(
                ctx.durable_execute_async(async_outside, i, "m2"),
                ctx.durable_execute_async(slow_outside, i, "m3"),
            )
        elif kind in WAITING:
            note = await _wait(ctx, i, kind)
        if kind in {"flaky-gather", "flaky-nap"}:
            _fail_once(ctx, i)
        if note is not None:
            memory.set("tokens", note)
        memory.set("middles", (memory.get("middles") or 0) + 1)
        ctx.sensory_memory.set("from.middle", n)
        ctx.send_event(
            OutputEvent(
                output={
                    "i": i,
                    "step": "middle",
                    "count": memory.get("count"),
                    "note": note,
                    "id": str(event.id),
                    "sensory": ctx.sensory_memory.get("from.first"),
                }
            )
        )
        ctx.send_event(Last(i=i, n=n))

    @action(Middle)
    @staticmethod
    def audit(event: Middle, ctx: RunnerContext) -> None:
        """The second listener: between the other and what that has sent."""
        memory = ctx.short_term_memory
        memory.set("audit.n", event.n)
        memory.set("audit.of", memory.get("middles"))

    @action(Last)
    @staticmethod
    def last(event: Last, ctx: RunnerContext) -> None:
        """Close the run with what all the others have left."""
        memory = ctx.short_term_memory
        memory.set("lasts", (memory.get("lasts") or 0) + 1)
        note = ctx.durable_execute(outside, event.i, "last") if event.n % 4 == 0 else None
        ctx.send_event(
            OutputEvent(
                output={
                    "i": event.i,
                    "step": "last",
                    "lasts": memory.get("lasts"),
                    "note": note,
                    "id": str(event.id),
                    "sensory": sorted(ctx.sensory_memory.get("from").get_fields().items()),
                    "audit": memory.get("audit.n"),
                }
            )
        )

    @action(Tick)
    @staticmethod
    async def tick(event: Tick, ctx: RunnerContext) -> None:
        """A timer has come; some wait themselves, some set the next one."""
        early = max(0.0, event.due - clock.now())
        if event.i % 3 == 0:
            await ctx.sleep(NAP)
        memory = ctx.short_term_memory
        memory.set("ticks", (memory.get("ticks") or 0) + 1)
        if event.left:
            due = ctx.now().timestamp() + NAP
            ctx.schedule(at=due, event=Tick(i=event.i, due=due, left=event.left - 1))
        output = {"i": event.i, "step": "tick", "left": event.left, "early": early}
        ctx.send_event(OutputEvent(output={**output, "id": str(event.id)}))


class FireAgentWithEnds(FireAgent):
    """The same, and each key wants to know of the end of the input."""

    @action(EndOfInputEvent)
    @staticmethod
    async def end(event: EndOfInputEvent, ctx: RunnerContext) -> None:
        """The end of the input; it waits, too."""
        await ctx.sleep(NAP)
        memory = ctx.short_term_memory
        memory.set("ended", (memory.get("ended") or 0) + 1)
        output = {"step": "end", "count": memory.get("count"), "id": str(event.id)}
        ctx.send_event(OutputEvent(output=output))
