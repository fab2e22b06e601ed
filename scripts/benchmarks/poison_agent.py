"""An agent for the benchmarks of faults: it counts, and does to its worker what it is told.

Each output is `[kind, pid, monotonic time]`. `once` kinds do it at their first attempt only, and
leave the time of that in the file that is named behind a colon: `"once-spin:/tmp/mark"`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action

if TYPE_CHECKING:
    from collections.abc import Callable


def bomb() -> None:
    """Take memory as fast as can be, at most 4 GiB."""
    taken = [bytearray(b"x") * (8 << 20) for _ in range(512)]
    del taken


def spin() -> None:
    """Never come back."""
    while True:
        pass


def overflow() -> None:
    """Recurse in C code until the stack ends."""
    nested: tuple[Any, ...] = ()
    for _ in range(500_000):
        nested = (nested,)
    hash(nested)


DEEDS: dict[str, Callable[[], object]] = {
    "plain": lambda: None,
    "segv": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(7),
    "abort": os.abort,
    "bomb": bomb,
    "spin": spin,
    "overflow": overflow,
    "unpicklable": threading.Lock,
    "raise": lambda: 1 // 0,
}


class Later(Event):
    """What asynchronous kinds go on with."""

    kind: str


def finish(ctx: RunnerContext, kind: str, result: object) -> None:
    """Count, and send the output."""
    ctx.short_term_memory.set("count", (ctx.short_term_memory.get("count") or 0) + 1)
    output = [kind, os.getpid(), time.monotonic()] if result is None else result
    ctx.send_event(OutputEvent(output=output))


class Poison(Agent):
    """InputEvent -> output; asynchronous kinds wait a little before."""

    @action(InputEvent)
    @staticmethod
    def now(event: InputEvent, ctx: RunnerContext) -> None:
        """Do plain kinds, send the others on."""
        kind, _, mark = event.input.partition(":")
        if kind.startswith("async-"):
            ctx.send_event(Later(kind=kind))
            return
        if mark and not Path(mark).exists():
            Path(mark).write_text(str(time.monotonic()), encoding="utf-8")
            DEEDS[kind.removeprefix("once-")]()
        finish(ctx, kind, None if mark else DEEDS[kind]())

    @action(Later)
    @staticmethod
    async def later(event: Later, ctx: RunnerContext) -> None:
        """Wait, then do it."""
        await asyncio.sleep(0)
        kind = event.kind.removeprefix("async-")
        if kind == "hang":
            await asyncio.get_running_loop().create_future()
        finish(ctx, event.kind, DEEDS[kind]())
