"""An agent whose outputs tell what happened to a key: a count, a chain, a durable call."""

from __future__ import annotations

import os
import time
import zlib
from typing import Any

from tamias import Agent, Event, InputEvent, OutputEvent, RunnerContext, action


class Counted(Event):
    """An input was counted."""

    n: int
    count: int
    token: str


def call(key: str, n: int) -> str:
    """Leaves a line for each time that it is really called."""
    path = os.environ.get("CALLS")
    if path:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, f"{key} {n}\n".encode())
        os.close(descriptor)
    return f"{key}-{n}"


class Chained(Agent):
    """Two actions, one durable call; the memory is a count and a digest of all inputs so far."""

    @action(InputEvent)
    @staticmethod
    def count(event: InputEvent, ctx: RunnerContext) -> None:
        row: Any = event.input
        memory = ctx.short_term_memory
        token = ctx.durable_execute(call, str(ctx.key), row["n"])
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
