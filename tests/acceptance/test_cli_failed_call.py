"""A job that ended because a durable call failed goes on when what had failed is repaired."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
from pathlib import Path

from tamias import Agent, InputEvent, OutputEvent, action

HERE = Path(__file__).parent


def ask(name):
    with (HERE / "asked").open("a") as file:
        file.write(f"{name}\\n")
    if name == "second" and not (HERE / "repaired").exists():
        raise ConnectionError("out of service")
    return name


class Plain(Agent):
    @action(InputEvent)
    @staticmethod
    def call(event, ctx):
        answers = [ctx.durable_execute(ask, name) for name in ("first", "second")]
        ctx.send_event(OutputEvent(output=answers))


class Waiting(Agent):
    @action(InputEvent)
    @staticmethod
    async def call(event, ctx):
        answers = [await ctx.durable_execute_async(ask, name) for name in ("first", "second")]
        ctx.send_event(OutputEvent(output=answers))
"""


@pytest.mark.parametrize("agent", ["Plain", "Waiting"])
def test_the_call_that_a_job_failed_of_is_made_again_and_no_other(
    tmp_path: Path, agent: str
) -> None:
    folder = Folder(tmp_path)
    folder.write("calls.py", AGENT)
    folder.inputs([1])
    run = ["run", f"calls.py:{agent}", "-i", "in.jsonl", "-o", "out.jsonl", "--on-error", "fail"]
    assert "ConnectionError: out of service" in folder.tamias(*run, code=1).stderr
    assert "ConnectionError: out of service" in folder.tamias(*run, code=1).stderr
    folder.write("repaired", "")
    folder.tamias("resume", "out.jsonl.tamias")
    assert folder.lines() == [{"key": "k0", "output": ["first", "second"], "offset": 0}]
    asked = (tmp_path / "asked").read_text(encoding="utf-8").split()
    assert asked == ["first", "second", "second", "second"]
