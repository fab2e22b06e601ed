"""Jobs whose agents call models: what workers import, what they cost, what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.cli import Folder
from support.providers.script import Ask, Fault, Reply
from support.providers.server import FakeProviders, fake_providers

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-very-secret-1234567890"
AGENT = """
import os, sys
from tamias import *

def own_memory():
    fields = [line.split() for line in open("/proc/self/smaps_rollup")]
    return sum(int(each[1]) for each in fields if each[0].startswith("Private_"))

def sdks():
    names = ("openai", "anthropic", "ollama", "mcp", "httpx2")
    return [each for each in names if each in sys.modules]

class Plain(Agent):
    @action(InputEvent)
    @staticmethod
    async def act(event, ctx):
        ctx.send_event(OutputEvent(output={"sdks": sdks(), "memory": own_memory()}))

class Thinking(Agent):
    @chat_model_connection
    @staticmethod
    def service():
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelConnection",
            api_base_url=os.environ["FAKE_URL"],
        )

    @chat_model_setup
    @staticmethod
    def model():
        return ResourceDescriptor(clazz=OpenAIChatModelSetup, connection="service")

    @action(InputEvent)
    @staticmethod
    async def act(event, ctx):
        before = sdks()
        model = ctx.get_resource("model", ResourceType.CHAT_MODEL)
        answer = await model.achat([ChatMessage(role="user", content=event.input)])
        ctx.send_event(
            OutputEvent(output={"said": answer.content, "sdks": before, "memory": own_memory()})
        )
"""


def answers(ask: Ask) -> Reply | Fault:
    if ask.last == "bad":
        return Fault(status=400, message=f"The key {KEY} is fine, but this is not.")
    return Reply(f"You said: {ask.last}")


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeProviders]:
    with fake_providers(answers, keys=frozenset({KEY})) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, fake: FakeProviders, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setenv("FAKE_URL", fake.openai_url)
    folder = Folder(tmp_path)
    (tmp_path / "agent.py").write_text(AGENT)
    return folder


def run(folder: Folder, agent: str, values: list[str], *more: str) -> list[dict[str, Any]]:
    lines = [json.dumps({"key": n, "value": value}) for n, value in enumerate(values)]
    (folder.path / "in.jsonl").write_text("\n".join(lines) + "\n")
    done = folder.tamias(
        *("run", f"agent.py:{agent}", "--input", "in.jsonl", "--output", f"{agent}.jsonl"),
        *("--workers", "1", "--set", "on-error=dead-letter", *more),
        *("--set", f"OpenAIChatModelConnection.api_key={KEY}"),
        code=3 if "bad" in values else 0,
    )
    assert "models/openai" not in done.stderr  # errors name the place in the agent
    written = (folder.path / f"{agent}.jsonl").read_text().splitlines()
    return [json.loads(line)["output"] for line in written]


def test_workers_share_the_client_library_and_only_agents_with_models_have_it(
    folder: Folder,
) -> None:
    plain = run(folder, "Plain", ["a", "b"])
    assert [each["sdks"] for each in plain] == [[], []]
    values = [f"hello {n}" for n in range(8)]
    thinking = run(folder, "Thinking", [*values, "bad"])
    assert sorted(each["said"] for each in thinking) == [f"You said: {value}" for value in values]
    assert {tuple(each["sdks"]) for each in thinking} == {("openai", "httpx2")}
    own = max(each["memory"] for each in thinking) - max(each["memory"] for each in plain)
    assert own < 25 * 1024
    # What the service said of the key is in no record.
    (letter,) = folder.tamias(
        "dead-letters", "list", "Thinking.jsonl.tamias", "--json"
    ).stdout.splitlines()
    assert "refuses the request" in letter
    assert "The key *** is fine" in letter
    for file in folder.path.rglob("*"):
        if file.is_file():
            assert KEY.encode() not in file.read_bytes(), file


def test_a_key_is_given_again_to_carry_on(folder: Folder) -> None:
    (output,) = run(folder, "Thinking", ["hello"])
    assert output["said"] == "You said: hello"
    refused = folder.tamias("resume", "Thinking.jsonl.tamias", code=2)
    assert "OpenAIChatModelConnection.api_key would be missing" in refused.stderr
    assert "keep them in the environment" in " ".join(refused.stderr.split())
    assert run(folder, "Thinking", ["hello"]) == [output]


def test_spawned_workers_import_it_themselves(folder: Folder) -> None:
    (output,) = run(folder, "Thinking", ["hello"], "--set", "start-method=spawn")
    assert output["said"] == "You said: hello"
    assert output["sdks"] == ["openai", "httpx2"]


def test_a_missing_client_library_keeps_the_pool_from_starting(folder: Folder) -> None:
    (folder.path / "openai.py").write_text('raise ImportError("none", name="openai")\n')
    for number, method in enumerate(("zygote", "spawn")):
        failed = folder.tamias(
            *("run", "agent.py:Thinking", "--input", folder.write(f"{number}.jsonl", "")),
            *("--output", f"{number}.out", "--set", f"start-method={method}"),
            OPENAI_API_KEY=KEY,
            code=2,
        )
        assert "The package openai is not installed" in failed.stderr
        assert "pip install 'tamias[openai]'" in " ".join(failed.stderr.split())
