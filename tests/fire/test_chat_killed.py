"""Models and tools are asked once, whatever is killed: the log of their requests is the judge."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder
from support.fire.jobs import run_with_kills
from support.profiles import PROFILE
from support.providers import log as request_log
from support.providers.script import Ask, Call, Reply
from support.providers.server import fake_providers

if TYPE_CHECKING:
    from support.providers.script import Answer

KEYS, INPUTS = 8, 3
AGENT = """
import asyncio, json, os, time
from tamias import *

LOG = os.open(os.environ["TOOL_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)

class Asking(Agent):
    @chat_model_connection
    @staticmethod
    def service():
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelConnection", api_base_url=os.environ["FAKE_URL"]
        )

    @chat_model_setup
    @staticmethod
    def model():
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelSetup", connection="service", tools=["look_up"]
        )

    @tool
    @staticmethod
    async def look_up(who: str, number: int) -> str:
        \"\"\"Look something up.\"\"\"
        os.write(LOG, json.dumps([time.time(), who, number]).encode() + b"\\n")
        await asyncio.sleep(0.03)
        return f"{who}/{number}"

    @action(InputEvent)
    @staticmethod
    def ask(event, ctx):
        message = ChatMessage(role=MessageRole.USER, content=event.input)
        ctx.send_event(ChatRequestEvent(model="model", messages=[message]))

    @action(ChatResponseEvent)
    @staticmethod
    def tell(event, ctx):
        ctx.send_event(OutputEvent(output=event.response.content))
"""


def two_rounds(ask: Ask) -> Answer:
    """Ask for two tools twice, then answer with what they have returned."""
    done = ask.rounds
    if done < 2:
        numbers = (2 * done, 2 * done + 1)
        calls = (Call("look_up", {"who": ask.first, "number": number}) for number in numbers)
        return Reply(calls=tuple(calls), delay=0.05)
    return Reply(", ".join(ask.results), delay=0.05)


def answer(who: str) -> str:
    return ", ".join(f"{who}/{number}" for number in range(4))


SEEDS = range(6) if PROFILE == "nightly" else range(1)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_step_is_repeated_once_it_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "agent.py").write_text(AGENT)
    values = [f"k{n % KEYS}.{n}" for n in range(KEYS * INPUTS)]
    lines = [json.dumps({"key": value.partition(".")[0], "value": value}) for value in values]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    requests, tools = tmp_path / "requests", tmp_path / "tools"
    monkeypatch.setenv("TOOL_LOG", str(tools))
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    with fake_providers(two_rounds, log=requests) as fake:
        monkeypatch.setenv("FAKE_URL", fake.openai_url)
        kills = run_with_kills(folder, "agent.py:Asking", random.Random(seed))
    written = (tmp_path / "out.jsonl").read_text().splitlines()
    outputs = {output["output"] for output in map(json.loads, written)}
    assert len(written) == len(values)
    assert outputs == {answer(value) for value in values}
    assert kills > 2
    judge(request_log.read(requests), [json.loads(line) for line in tools.read_text().splitlines()])


def judge(requests: list[dict[str, Any]], tools: list[list[Any]]) -> None:
    """Each later step of a conversation proves that the earlier ones are on record.

    So none of them may come again: a request with fewer messages, or a tool of an earlier round.
    """
    last: dict[str, int] = defaultdict(int)
    merged = [(each["time"], each["first"], "model", each["messages"]) for each in requests]
    # A conversation has one message, four, or seven when the model is asked.
    merged += [(moment, who, "tool", 1 + 3 * (number // 2)) for moment, who, number in tools]
    for _, who, kind, messages in sorted(merged):
        assert messages >= last[who], (who, kind, messages, last[who])
        last[who] = messages
    assert {messages for _, _, kind, messages in merged if kind == "model"} == {1, 4, 7}
