"""The examples of agents that remember, beside the fake model."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.providers.of_examples import script
from support.providers.server import FakeProviders, fake_providers
from tamias import run_agent
from tamias.testing import AgentTest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.providers.script import Ask

pytest.importorskip("tokenizers", reason="needs the extra `embeddings`")

TAMIAS = Path(sys.executable).with_name("tamias")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "memory"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeProviders]:
    """A fake model, where the examples look for one."""
    modules, path = set(sys.modules), list(sys.path)
    with fake_providers(script) as fake:
        monkeypatch.setenv("OPENAI_BASE_URL", fake.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield fake
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if str(EXAMPLE) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


def inputs(name: str) -> list[tuple[str, Any]]:
    """The inputs in a file of the example."""
    lines = (EXAMPLE / name).read_text(encoding="utf-8").splitlines()
    return [(line["key"], line["value"]) for line in map(json.loads, lines)]


def summaries_asked(fake: FakeProviders) -> list[Ask]:
    """What the model was asked to summarise."""
    return [ask for ask in fake.asked if "keep a memory short" in ask.messages[0].text]


def test_customers_are_remembered_until_they_want_to_be_forgotten(fake: FakeProviders) -> None:
    run = run_agent(f"{EXAMPLE}/support.py:Support", inputs("support.jsonl"))
    ada, bob = run.outputs_of("ada"), run.outputs_of("bob")
    assert ada[0] == {"answer": "I do not remember anything of that.", "remembered": []}
    assert ada[5]["answer"] == "I remember: My daughter is allergic to peanuts"
    assert any("broken" in memory for memory in ada[6]["remembered"])
    assert bob[1]["answer"] == "I remember: I live in Geneva"
    assert bob[2]["answer"] == "All that I knew of you is deleted."
    assert bob[3] == ada[0]
    assert summaries_asked(fake)


def test_answers_are_from_pages_that_other_keys_have_added(fake: FakeProviders) -> None:
    given = inputs("knowledge.jsonl")
    with AgentTest(f"{EXAMPLE}/knowledge.py:Knowledge") as test:
        # Keys are not in order among each other: on a slow machine, a question may overtake pages.
        test.send_all(each for each in given if "ask" not in each[1])
        test.send_all(each for each in given if "ask" in each[1])
        test.advance(60)
        (ada,), (warranty, pans) = test.outputs_of("ada"), test.outputs_of("bob")
    assert ada["from"][0] == "kettle"
    assert "citric acid" in ada["answer"]
    assert warranty["from"][0] == "warranty"
    assert "two years" in warranty["answer"]
    assert "draft" not in pans["from"]
    assert fake.asked


COMMANDS = [
    line.split()
    for line in (EXAMPLE / "README.md").read_text(encoding="utf-8").splitlines()
    if re.match(r" {4}python \S+with_fake\.py tamias run", line)
]


@pytest.mark.nightly
@pytest.mark.process
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[4])
def test_the_documented_commands_work(command: list[str], tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path, dirs_exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / command[1]), str(TAMIAS), *command[3:]],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = tmp_path / "answers.jsonl"
    lines = (written.read_text() if written.exists() else done.stdout).splitlines()
    assert len([line for line in lines if "answer" in json.loads(line)["output"]]) >= 3
