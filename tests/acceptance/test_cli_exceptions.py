"""Exceptions that would end a worker, or that cannot be shown, in real processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import asyncio
import sys

from tamias import Agent, InputEvent, OutputEvent, action


class Hidden(Exception):
    def __getattr__(self, name):
        raise KeyError(name)


def show_nothing():
    raise Hidden


async def leave():
    sys.exit(3)


class Acting(Agent):
    @action(InputEvent)
    @staticmethod
    async def act(event, ctx):
        loop = asyncio.get_running_loop()
        if event.input == "callback":
            loop.call_soon(sys.exit, 4)
            loop.call_soon(show_nothing)
            await asyncio.sleep(0.05)
            loop.stop()
            await asyncio.sleep(0.05)
        if event.input == "call":
            await ctx.durable_execute_async(show_nothing)
        if event.input == "task":
            await asyncio.gather(leave(), asyncio.sleep(0.05))
        if event.input == "lost task":
            kept = loop.create_task(ctx.durable_execute_async(show_nothing))
            await asyncio.sleep(0.05)
        if event.input == "exit":
            sys.exit(5)
        ctx.send_event(OutputEvent(output="done"))
"""


def test_each_is_the_failure_of_its_input(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("acting.py", AGENT)
    values = ["callback", "call", "lost task", "task", "exit", *["none"] * 40]
    folder.inputs(values, keys=9)
    folder.tamias(
        *("run", "acting.py:Acting", "-i", "in.jsonl", "-o", "out.jsonl", "--workers", 1),
        code=3,
    )
    letters = {letter["offset"]: letter["error"] for letter in folder.dead_letters()}
    assert letters == {
        1: "acting.Hidden",
        3: "RunError: a task that the action had started has raised SystemExit: 3",
        4: "SystemExit: 5",
    }
    assert sorted(line["offset"] for line in folder.lines()) == [0, 2, *range(5, 45)]
    log = (tmp_path / "out.jsonl.tamias" / "logs" / "pool.log").read_text()
    assert "user code has ended the event loop: SystemExit: 4: it goes on" in log
    assert "user code has ended the event loop: RuntimeError: Event loop stopped" in log
    assert "show_nothing" in log
    assert "was killed" not in log
