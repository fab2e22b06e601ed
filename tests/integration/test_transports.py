"""A pool does the same by both transports, and imports ZeroMQ only for one of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import sys
from tamias import Agent, InputEvent, OutputEvent, action


class Calling(Agent):
    @action(InputEvent)
    @staticmethod
    def call(event, ctx):
        # In a plain action, which receives the launcher's permit itself.
        value = ctx.durable_execute(abs, event.input["value"], limit="api")
        seen = (ctx.short_term_memory.get("seen") or 0) + 1
        ctx.short_term_memory.set("seen", seen)
        file = getattr(sys.modules.get("zmq"), "__file__", None)
        ctx.send_event(OutputEvent(output=[value, seen, file]))
"""


@pytest.mark.parametrize(
    ("transport", "method"), [("direct", "zygote"), ("zeromq", "zygote"), ("zeromq", "spawn")]
)
def test_a_pool_does_its_work(tmp_path: Path, transport: str, method: str) -> None:
    folder = Folder(tmp_path)
    folder.write("agent.py", AGENT)
    folder.write("zmq.py", "mine = 1\n")  # is not what tamias imports
    folder.write(
        "config.yaml",
        f"transport: {transport}\nstart-method: {method}\nlimits: {{api: {{concurrency: 2}}}}\n",
    )
    folder.inputs([-n for n in range(60)])
    folder.tamias(
        *("run", "agent.py:Calling", "-i", "in.jsonl", "-o", "out.jsonl", "--key", "key"),
        *("--workers", 2, "--config", "config.yaml", "--set", "window=64"),
    )
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    outputs = {line["offset"]: line["output"] for line in lines}
    assert {offset: each[:2] for offset, each in outputs.items()} == {
        n: [n, n // 5 + 1] for n in range(60)
    }
    files = {each[2] for each in outputs.values()}
    if transport == "direct":
        assert files == {None}
    else:
        (file,) = files
        assert file.endswith("zmq/__init__.py")
