"""The agent under chaos: it counts, chains and calls, and does to its worker what it is told.

The state of a key is a chain: each input's link is a digest of the link before and of the input's
number. So memory tells by its last link which inputs have had their effect on the key and in which
order, and each output does the same for its own place. Each link is an item of a small memory set,
too, whose index is made anew all the time; and each run searches there for the link before.

In the folder that `CHAOS_DIR` names it leaves what no crash can take back: `runs` has a line for
each action that begins (B) and each run that ends (E), `calls` one for each durable call that is
really made, `once` a file for each input that had its trouble, which such inputs have once only.

The file is copied, with other values of `VERSION` and `MISCHIEF`, for reloads.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from support.chaos.kinds import BAD_CODE, IN_DIARY, TIMED, link_after
from support.launcher.trouble_agent import KINDS as TROUBLE
from tamias import (
    Agent,
    Event,
    InputEvent,
    OutputEvent,
    RunnerContext,
    WaitTimeoutError,
    action,
)
from tamias.store import clock
from tamias.store.sets.folding import Sizes
from tamias.store.sets.writing import SetWriter

if TYPE_CHECKING:
    from collections.abc import Callable

WAITS = {"async-plain", "async-nap", "async-naps", *TIMED}
"""Asynchronous kinds that do nothing else."""

VERSION = 0
MISCHIEF = ""
"""What code that must be rolled back does to each input."""

SetWriter.sizes = Sizes(tail=3, chunk=8)
FOLDER = Path(os.environ["CHAOS_DIR"])
_files: dict[str, int] = {}


NAP = 0.06
"""Seconds; `suspend-after` is less."""


def bomb() -> None:
    """Take memory until somebody stops it; a gibibyte is enough."""
    taken = []
    for _ in range(128):
        taken.append(bytearray(b"x") * (8 << 20))
        time.sleep(0.005)
    time.sleep(3600)


DEEDS: dict[str, Callable[[], object]] = {**TROUBLE, "bomb": bomb}


def note(name: str, *fields: object) -> None:
    """Append a line to a file: at once, and whole."""
    descriptor = _files.get(name)
    if descriptor is None:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = _files[name] = os.open(FOLDER / name, flags, 0o600)
    line = " ".join(map(str, (*fields, os.getpid(), time.monotonic_ns())))
    os.write(descriptor, f"{line}\n".encode())


def effect(i: int, name: str) -> str:
    """What a durable call does to the world; never twice the same answer."""
    token = uuid4().hex[:12]
    note("calls", i, name, token)
    return token


async def slow_effect(i: int, name: str) -> str:
    """The same, with some waiting before and after."""
    await asyncio.sleep(0.002)
    token = effect(i, name)
    await asyncio.sleep(0.002)
    return token


class Second(Event):
    """What asynchronous kinds go on with."""

    i: int
    key: str
    kind: str


class Tick(Event):
    """Sent by a timer."""

    i: int
    due: float


async def nap_and_call(ctx: RunnerContext, i: int, name: str) -> str:
    """A call behind a wait."""
    await ctx.sleep(NAP)
    token: str = await ctx.durable_execute_async(slow_effect, i, name)
    return token


async def wait(ctx: RunnerContext, i: int, kind: str, tokens: dict[str, str]) -> Any:
    """Wait in one of several ways; returns what came of it."""
    if kind == "async-nap":
        tokens["one"] = await ctx.durable_execute_async(slow_effect, i, "one")
        tokens["two"] = await nap_and_call(ctx, i, "two")
    elif kind == "async-naps":
        calls = (nap_and_call(ctx, i, name) for name in ("g0", "g1"))
        tokens["g0"], tokens["g1"] = await asyncio.gather(*calls)
    elif kind == "async-ask":
        return await ctx.wait_for("ask", ask=i)
    elif kind == "async-late":
        try:
            await ctx.wait_for("late", NAP)
        except WaitTimeoutError:
            return "late"
    elif kind in {"async-timer", "async-cancel"}:
        cancelled = ctx.cancel("t")
        if kind == "async-timer":
            due = ctx.now().timestamp() + NAP
            ctx.schedule(at=due, event=Tick(i=i, due=due), id="t")
        return cancelled
    return None


def has_trouble(i: int, kind: str) -> str:
    """The trouble that this input makes now, or an empty string."""
    trouble = kind.removeprefix("async-")
    if trouble.startswith("once-"):
        try:
            os.close(os.open(FOLDER / "once" / str(i), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return ""
        trouble = trouble.removeprefix("once-")
    return trouble


def be_bad() -> None:
    """Do what code does that must be rolled back."""
    if MISCHIEF == "raise":
        raise ValueError(BAD_CODE)
    if MISCHIEF:
        DEEDS[MISCHIEF]()


def remember(ctx: RunnerContext, i: int) -> None:
    """The key's state goes on by one link."""
    memory = ctx.short_term_memory
    before = memory.get("link") or ""
    memory.set("count", (memory.get("count") or 0) + 1)
    memory.set("link", link_after(before, i))
    diary = ctx.long_term_memory.get_memory_set("diary", capacity=IN_DIARY)
    memory.set("found", [int(item.id) for item in diary.search(before, limit=1)])
    diary.add(link_after(before, i), ids=str(i))


def finish(
    ctx: RunnerContext,
    i: int,
    key: str,
    tokens: dict[str, str],
    *,
    extra: object = None,
    waited: object = None,
    pad: str = "",
) -> None:
    """Send the output: `extra`, if there is any; `waited` is what came of a wait."""
    memory = ctx.short_term_memory
    if tokens:
        memory.set("last.tokens", tokens)
    output = {
        "i": i,
        "count": memory.get("count"),
        "link": memory.get("link"),
        "found": memory.get("found"),
        "tokens": tokens,
        "version": VERSION,
        "waited": waited,
        "pad": pad,
    }
    ctx.send_event(OutputEvent(output=output if extra is None else extra))
    note("runs", "E", i, key)


class Chaos(Agent):
    """InputEvent -> output; asynchronous kinds take a second action."""

    @action(InputEvent)
    @staticmethod
    def first(event: InputEvent, ctx: RunnerContext) -> None:
        """Do plain kinds; send the others on."""
        i, key, kind = event.input["i"], event.input["key"], event.input["kind"]
        note("runs", "B", i, key)
        be_bad()
        remember(ctx, i)
        if kind.startswith("async-"):
            ctx.send_event(Second(i=i, key=key, kind=kind))
            return
        tokens: dict[str, str] = {}
        extra: Any = None
        if kind == "call":
            tokens["one"] = ctx.durable_execute(effect, i, "one")
        elif kind == "calls":
            tokens["one"] = ctx.durable_execute(effect, i, "one")
            tokens["two"] = ctx.durable_execute(effect, i, "two")
        elif kind == "busy":
            time.sleep(0.002)
        elif kind not in ("plain", "call-then-raise"):
            extra = DEEDS[has_trouble(i, kind) or "plain"]()
        if kind == "call-then-raise":
            tokens["one"] = ctx.durable_execute(effect, i, "one")
            if has_trouble(i, "once-raise"):
                raise ValueError("the first attempt fails")
        finish(ctx, i, key, tokens, extra=extra, pad=event.input.get("pad", ""))

    @action(Second)
    @staticmethod
    async def second(event: Second, ctx: RunnerContext) -> None:
        """Wait, call, do it."""
        i, kind = event.i, event.kind
        note("runs", "B", i, event.key)
        be_bad()
        await asyncio.sleep(0.001 * (i % 5))
        tokens: dict[str, str] = {}
        waited = await wait(ctx, i, kind, tokens)
        if kind == "async-gather":
            names = ("g0", "g1")
            calls = (ctx.durable_execute_async(slow_effect, i, name) for name in names)
            tokens.update(zip(names, await asyncio.gather(*calls), strict=True))
        elif kind == "async-slow":
            await asyncio.sleep(0.02)
        elif kind not in WAITS:
            trouble = has_trouble(i, kind)
            tokens["one"] = await ctx.durable_execute_async(slow_effect, i, "one")
            if trouble == "hang":
                await asyncio.get_running_loop().create_future()
            DEEDS[trouble or "plain"]()
        finish(ctx, i, event.key, tokens, waited=waited)

    @action(Tick)
    @staticmethod
    def tick(event: Tick, ctx: RunnerContext) -> None:
        """A timer has come."""
        early = max(0.0, event.due - clock.now())
        be_bad()
        memory = ctx.short_term_memory
        memory.set("ticks", (memory.get("ticks") or 0) + 1)
        output = {"i": event.i, "tick": memory.get("ticks"), "early": early, "version": VERSION}
        ctx.send_event(OutputEvent(output=output))
