"""`tamias.open_memory` from another process than the pool's, while that writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import tamias
from support.cli import Folder, wait_for
from support.store.memory_sets import made
from tamias.agent.errors import MemorySetError

if TYPE_CHECKING:
    from pathlib import Path

AGENT = '''
from tamias import Agent, InputEvent, OutputEvent, action


class Pairs(Agent):
    """Each run adds two items, and counts them."""

    @action(InputEvent)
    @staticmethod
    def add(event, ctx):
        n = event.input
        memory, sets = ctx.short_term_memory, ctx.long_term_memory
        sets.get_memory_set("pairs", capacity=100_000).add(
            [f"left {n}", f"right {n}"], metadatas={"n": n}
        )
        sets.get_memory_set("all", shared=True).add(f"number {n}")
        memory.set("count", (memory.get("count") or 0) + 1)
'''
KEYS = 4
STATE = "out.jsonl.tamias"


def test_each_answer_is_a_state_that_a_commit_left(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    folder.write("pairs.py", AGENT)
    lines = [{"key": f"k{n % KEYS}", "value": n} for n in range(400)]
    folder.write("in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    run = ("run", "pairs.py:Pairs", "-i", "in.jsonl", "-o", "out.jsonl", "-w", "2")
    answers = 0
    with folder.started(*run, "--set", "batch-size=4") as process:
        wait_for((tmp_path / STATE / "status.json").exists)
        with tamias.open_memory(tmp_path / STATE) as memory:
            before = dict.fromkeys(range(KEYS), 0)
            while process.poll() is None:
                for number in range(KEYS):
                    try:
                        pairs = memory.get_memory_set(f"k{number}", "pairs")
                        items = pairs.get(limit=None)
                        found = pairs.search("left", limit=5000)
                    except MemorySetError:  # not there yet
                        continue
                    left = {item.metadata["n"] for item in items if item.value[:4] == "left"}
                    right = {item.metadata["n"] for item in items if item.value[:5] == "right"}
                    assert left == right
                    assert len(items) >= before[number]
                    assert len(found) >= len(left)
                    before[number] = len(items)
                    answers += 1
            assert process.returncode == 0
            assert sorted(memory.keys()) == [f"k{number}" for number in range(KEYS)]
            assert memory.short_term_memory("k1") == {"count": 100}
            assert memory.get_memory_set("k1", "pairs").size == 200
            shared = memory.get_shared_memory_set("all")
            assert shared.size == len({item.value for item in shared}) == 400
    assert answers > KEYS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_another_account_that_may_not_read_is_told_so(tmp_path: Path) -> None:
    made(tmp_path / STATE)
    code = (
        "import os, sys, tamias\n"
        "tamias.open_memory(sys.argv[1]).close()\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: tamias.open_memory(sys.argv[1])\n"
        "except tamias.StoreError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / STATE)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "may not read" in done.stdout, done.stderr
    assert "Use the account of the pool" in done.stdout
