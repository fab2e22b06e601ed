"""What one worker does to its own process or to its socket is that worker's death, with a retry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import gc
import os
import resource
from pathlib import Path

from tamias import Agent, InputEvent, OutputEvent, action
from tamias.worker.process.worker import Worker


def worker():
    return next(each for each in gc.get_objects() if isinstance(each, Worker))


def lower(name):
    resource.setrlimit(getattr(resource, name), (1, resource.RLIM_INFINITY))


DEEDS = {
    "limits": lambda: lower("RLIMIT_FSIZE"),
    "message": lambda: worker()._connection.send(b"D\\x05"),
    "socket": lambda: worker()._connection.close(),
    "bytes": lambda: os.write(worker()._connection.fileno(), b"what a library prints"),
    "files": lambda: os.closerange(3, 100),
}


class Misbehaving(Agent):
    @action(InputEvent)
    @staticmethod
    def count(event, ctx):
        value = event.input["value"]
        if value in DEEDS and not Path(f"{value}.done").exists():
            Path(f"{value}.done").touch()
            DEEDS[value]()
        seen = (ctx.short_term_memory.get("seen") or 0) + 1
        ctx.short_term_memory.set("seen", seen)
        ctx.send_event(OutputEvent(output=seen))
"""
DEEDS = ("limits", "message", "socket", "bytes", "files")
"""To the descriptor of a connection by ZeroMQ, which is one of epoll, nothing can be written."""


@pytest.mark.process
@pytest.mark.parametrize(
    ("transport", "deeds"),
    [("direct", DEEDS), ("zeromq", ("limits", "message", "socket", "files"))],
)
def test_it_costs_that_worker_and_nothing_else(
    tmp_path: Path, transport: str, deeds: tuple[str, ...]
) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "misbehaving.py").write_text(AGENT)
    values = [value for deed in deeds for value in (*range(50), deed)] + [1, 2]
    inputs = [{"key": f"k{n % 10}", "value": value} for n, value in enumerate(values)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in inputs))
    done = folder.tamias(
        *("run", "misbehaving.py:Misbehaving", "-i", "in.jsonl", "-o", "out.jsonl", "--json"),
        *("--workers", 2, "--key", "key", "--set", "window=16", "--set", f"transport={transport}"),
    )
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert {line["offset"]: line["output"] for line in lines} == {
        n: n // 10 + 1 for n in range(len(values))
    }
    assert all((tmp_path / f"{deed}.done").exists() for deed in deeds)
    assert json.loads(done.stdout)["deaths"] >= len(deeds)
