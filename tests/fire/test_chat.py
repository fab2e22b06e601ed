"""Conversations with a model and its tools, killed at any moment: no step on record is repeated.

The fake server of a provider and the tools' log tell what was asked, and in which order. When the
model is asked for turn n of a conversation, everything before that turn is on record. So from then
on nothing of an earlier turn may be asked or called again, whatever dies.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any

import pytest

from support.fire.run import workers_below
from support.providers.script import Ask, Call, Reply
from support.providers.server import fake_providers

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import asyncio, json, os
from tamias import OpenAIChatModelConnection, OpenAIChatModelSetup
from tamias import Prompt, ReActAgent, ResourceDescriptor, ResourceType

def write(**entry):
    log = os.open(os.environ["TOOLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, json.dumps(entry).encode() + b"\\n")
    os.close(log)

async def look(question: str, turn: int, index: int) -> str:
    \"\"\"Look something up.\"\"\"
    write(question=question, turn=turn, index=index)
    await asyncio.sleep(0.01 * index)
    return f"{question}/{turn}/{index}"

model = ResourceDescriptor(
    clazz=OpenAIChatModelSetup, connection="fake", model="m", tools=["look"]
)
fake = ResourceDescriptor(
    clazz=OpenAIChatModelConnection, api_key="no", api_base_url=os.environ["FAKE"]
)
agent = ReActAgent(chat_model=model, prompt=Prompt.from_text("{value}"))
agent.add_resource("fake", ResourceType.CHAT_MODEL_CONNECTION, fake)
agent.add_resource("look", ResourceType.TOOL, look)
"""
TURNS, AT_ONCE, INPUTS, KEYS = 3, 3, 60, 20


class Told:
    """What the model and the tools were asked, in order; the tools' calls are in their log."""

    def __init__(self, tools: Path) -> None:
        self._tools = tools
        self._lock = Lock()
        self.steps: list[tuple[str, int, int]] = []
        """Conversation, turn, and -1 for the model or the number of the tool's call."""

    def model(self, ask: Ask) -> Reply:
        """The script: asks for tools, and answers with all that they have returned."""
        with self._lock:
            self._read_tools()
            self.steps.append((ask.first, ask.rounds, -1))
        if ask.rounds == TURNS:
            return Reply(f"{ask.first}: {', '.join(ask.results)}")
        calls = [
            Call("look", {"question": ask.first, "turn": ask.rounds, "index": index})
            for index in range(AT_ONCE)
        ]
        return Reply(calls=tuple(calls), delay=0.01)

    def _read_tools(self) -> None:
        known = sum(index >= 0 for _, _, index in self.steps)
        lines = self._tools.read_bytes().split(b"\n")[:-1] if self._tools.exists() else []
        for line in lines[known:]:
            entry = json.loads(line)
            self.steps.append((entry["question"], entry["turn"], entry["index"]))

    def repeated(self) -> list[tuple[str, int, int]]:
        """The steps that came again although a later turn had begun."""
        turns: dict[str, int] = {}
        wrong = []
        for question, turn, index in self.steps:
            if turn < turns.get(question, 0):
                wrong.append((question, turn, index))
            if index < 0:
                turns[question] = max(turns.get(question, 0), turn)
        return wrong


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.nightly)])
def test_a_conversation_goes_on_where_it_was_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    (tmp_path / "talk.py").write_text(AGENT)
    inputs = [{"key": n % KEYS, "value": f"question {n}"} for n in range(INPUTS)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in inputs))
    told = Told(tmp_path / "tools")
    kills = {"worker": 0, "launcher": 0, "all": 0}
    with fake_providers(told.model) as fake:
        environment = {**os.environ, "FAKE": fake.openai_url, "TOOLS": str(tmp_path / "tools")}
        command = [sys.executable, "-m", "tamias", "run", "talk.py:agent", "--input", "in.jsonl"]
        command += ["--output", "out.jsonl", "--state", "state", "--key", "key", "--set"]
        command += ["workers=2"]
        for life in range(50):
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
            )
            if life < 8:
                _kill(process, chance, kills)
            _, said = process.communicate(timeout=60)
            if process.returncode == 0:
                break
            assert process.returncode < 0, said
    assert sum(kills.values()) >= 4
    assert told.repeated() == []
    expected = [
        f"{each['value']}: "
        + ", ".join(
            f"{each['value']}/{turn}/{index}" for turn in range(TURNS) for index in range(AT_ONCE)
        )
        for each in inputs
    ]
    outputs = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert sorted(output["output"] for output in outputs) == sorted(expected)


def _kill(process: subprocess.Popen[str], chance: random.Random, kills: dict[str, int]) -> None:
    """Kill workers one after the other, then the launcher, alone or with its workers."""
    for _ in range(chance.randrange(3)):
        time.sleep(chance.uniform(0.4, 0.8))
        workers = workers_below(process.pid)
        if workers and process.poll() is None:
            _shoot(chance.choice(workers), "worker", kills)
    time.sleep(chance.uniform(0.3, 0.7))
    if process.poll() is None:
        what = chance.choice(("launcher", "all"))
        for worker in workers_below(process.pid) if what == "all" else ():
            with suppress(ProcessLookupError):
                os.kill(worker, 9)
        _shoot(process.pid, what, kills)


def _shoot(pid: int, what: str, kills: dict[str, Any]) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, 9)
        kills[what] += 1
