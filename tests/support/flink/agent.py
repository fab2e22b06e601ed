"""An agent whose outputs tell what happened to a key: a count, a chain, a durable call."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import zlib
from pathlib import Path
from typing import Any

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action


class Counted(Event):
    """An input was counted."""

    n: int
    count: int
    token: str


def call(key: str, n: int, path: str) -> str:
    """Leaves a line for each time that it is really called: for what, and when."""
    if path:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, f"{key} {n} {time.time():.3f}\n".encode())
        os.close(descriptor)
    return f"{key}-{n}"


class Chained(Agent):
    """Two actions, one durable call; the memory is a count and a digest of all inputs so far."""

    @action(InputEvent)
    @staticmethod
    def count(event: InputEvent, ctx: RunnerContext) -> None:
        row: Any = event.input
        memory = ctx.short_term_memory
        calls = ctx.config.get_str("calls", "")
        token = ctx.durable_execute(call, str(ctx.key), row["n"], calls)
        count = (memory.get("count") or 0) + 1
        memory.set("count", count)
        pause = ctx.config.get_float("pause", 0.0)
        if pause:
            time.sleep(pause)
        ctx.send_event(Counted(n=row["n"], count=count, token=token))

    @action(Counted)
    @staticmethod
    def chain(event: Counted, ctx: RunnerContext) -> None:
        memory = ctx.short_term_memory
        digest = zlib.crc32(b"%d" % event.n, memory.get("deep.chain") or 0)
        memory.set("deep.chain", digest)
        ctx.send_event(
            OutputEvent(
                output={
                    "key": ctx.key,
                    "n": event.n,
                    "count": event.count,
                    "chain": digest,
                    "token": event.token,
                }
            )
        )


class Waiting(Agent):
    """Makes its durable call, and then waits for a file, without holding anybody up."""

    @action(InputEvent)
    @staticmethod
    async def wait(event: InputEvent, ctx: RunnerContext) -> None:
        row: Any = event.input
        calls = ctx.config.get_str("calls", "")
        token = await ctx.durable_execute_async(call, str(ctx.key), row["n"], calls)
        gate = Path(ctx.config.get_str("gate", ""))
        while not gate.exists():  # noqa: ASYNC110, ASYNC240 (another process makes it)
            await asyncio.sleep(0.05)
        ctx.send_event(OutputEvent(output={"n": row["n"], "token": token}))


class Together(Agent):
    """Each run waits two seconds, and tells how many did so at the same time at most."""

    now = 0
    most = 0

    @action(InputEvent)
    @staticmethod
    async def wait(event: InputEvent, ctx: RunnerContext) -> None:
        Together.now += 1
        Together.most = max(Together.most, Together.now)
        await asyncio.sleep(2)
        Together.now -= 1
        ctx.send_event(OutputEvent(output={"key": ctx.key, "most": Together.most}))


class Crashing(Agent):
    """Has its worker die of SIGSEGV, once; then it counts."""

    @action(InputEvent)
    @staticmethod
    def crash(event: InputEvent, ctx: RunnerContext) -> None:
        row: Any = event.input
        marker = Path(ctx.config.get_str("marker", ""))
        if row["n"] == 150 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGSEGV)
        count = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", count)
        ctx.send_event(OutputEvent(output={"key": ctx.key, "n": row["n"], "count": count}))


class Failing(Agent):
    """Raises."""

    @action(InputEvent)
    @staticmethod
    def fail(event: InputEvent, ctx: RunnerContext) -> None:
        raise LookupError("nothing of that name is in stock")


class Counting(Agent):
    """Counts the inputs of a key, whatever they are."""

    @action(InputEvent)
    @staticmethod
    def count(event: InputEvent, ctx: RunnerContext) -> None:
        count = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", count)
        ctx.send_event(OutputEvent(output={"key": ctx.key, "count": count, "value": event.input}))
