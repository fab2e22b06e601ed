"""An agent that does what it is told, and counts; most of what it can be told is trouble.

Each input is a kind of trouble, or `"plain"`. Kinds beginning with `async-` go through an
asynchronous action, and strike after it has waited.

Environment: `TROUBLE_GATE`, if set, is a file for which kind "wait" waits.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action

if TYPE_CHECKING:
    from collections.abc import Callable

STEP = 32 << 20
MOST = 4 << 30
leaked: list[bytearray] = []
partners: list[float] = []
PAIR_SECONDS = 0.5


def fill_the_memory(most: int = MOST, pause: float = 0.002) -> None:
    """Take memory until somebody stops it, at most 4 GiB."""
    taken: list[bytearray] = []
    for _ in range(most // STEP):
        taken.append(bytearray(b"x") * STEP)
        time.sleep(pause)


def child_that_fills_the_memory() -> None:
    """Have another program take memory, and wait for it."""
    program = f"import sys; taken = [bytearray(b'x') * {STEP} for _ in range({MOST // STEP})]"
    subprocess.run([sys.executable, "-c", program], check=True)


def overflow_the_stack() -> None:
    """Recurse in C code until the stack ends."""
    nested: tuple[Any, ...] = ()
    for _ in range(500_000):
        nested = (nested,)
    hash(nested)


def spin_around() -> None:
    """Never come back, and never let go."""
    while True:
        pass


def pair(first: bool) -> None:  # noqa: FBT001 (one of two)
    """Die if both of a pair are run by the same process at about the same time."""
    partners.append(time.monotonic())
    if not first and any(time.monotonic() - at < PAIR_SECONDS for at in partners[:-1]):
        ctypes.string_at(0)


def leak() -> None:
    """Keep four mebibytes for ever."""
    leaked.append(bytearray(b"x") * (4 << 20))


def wait_at_the_gate() -> None:
    """Wait for the file of which the environment tells."""
    while not Path(os.environ["TROUBLE_GATE"]).exists():
        time.sleep(0.005)


KINDS: dict[str, Callable[[], object]] = {
    "plain": lambda: None,
    "segv": lambda: ctypes.string_at(0),
    "exit": lambda: os._exit(7),
    "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "spin": spin_around,
    "bomb": fill_the_memory,
    "child-bomb": child_that_fills_the_memory,
    "greedy": lambda: bytearray(64 << 40),
    "leak": leak,
    "overflow": overflow_the_stack,
    "raise": lambda: 1 // 0,
    "first-of-two": lambda: pair(first=True),
    "second-of-two": lambda: pair(first=False),
    "sleep": lambda: time.sleep(3600),
    "nap": lambda: time.sleep(0.002),
    "doze": lambda: time.sleep(0.15),
    "wait": wait_at_the_gate,
    "loop": lambda: asyncio.run(asyncio.sleep(0)),
    "unpicklable": threading.Lock,
}


class Slowly(Event):
    """What asynchronous kinds go on with."""

    kind: str


def _done(ctx: RunnerContext, kind: str, result: object) -> None:
    count = (ctx.short_term_memory.get("count") or 0) + 1
    ctx.short_term_memory.set("count", count)
    output = result if kind.endswith("unpicklable") else [kind, count, os.getpid()]
    ctx.send_event(OutputEvent(output=output))


class Trouble(Agent):
    """InputEvent -> output, or trouble; asynchronous kinds take a step between."""

    @action(InputEvent)
    @staticmethod
    def first(event: InputEvent, ctx: RunnerContext) -> None:
        """Do plain kinds; send the others on."""
        kind = event.input
        if kind.startswith("async-"):
            ctx.send_event(Slowly(kind=kind))
        else:
            _done(ctx, kind, KINDS[kind]())

    @action(Slowly)
    @staticmethod
    async def second(event: Slowly, ctx: RunnerContext) -> None:
        """Wait a little, then do it; "hang" waits for ever, "child" does it in another task."""
        kind = event.kind.removeprefix("async-")
        await asyncio.sleep(0.002)
        if kind == "hang":
            await wait_for_ever()
        elif kind.startswith("child-"):
            await asyncio.gather(asyncio.sleep(0.001), later(kind.removeprefix("child-")))
        elif kind.startswith("thread-"):
            await ctx.durable_execute_async(KINDS[kind.removeprefix("thread-")])
        else:
            _done(ctx, event.kind, KINDS[kind]())
            return
        _done(ctx, event.kind, None)


async def wait_for_ever() -> None:
    """Wait for what never comes."""
    await asyncio.get_running_loop().create_future()


async def later(kind: str) -> None:
    """Do it after a while."""
    await asyncio.sleep(0.002)
    KINDS[kind]()


class Simple(Agent):
    """The same with plain kinds only."""

    @action(InputEvent)
    @staticmethod
    def only(event: InputEvent, ctx: RunnerContext) -> None:
        """Do it."""
        _done(ctx, event.input, KINDS[event.input]())
