"""Compactions of a job whose processes are killed: the log of the model's requests is the judge."""

from __future__ import annotations

import json
import random
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder
from support.fire.jobs import run_with_kills
from support.profiles import PROFILE
from support.providers.script import Reply, rate_limited
from support.providers.server import fake_providers
from tamias import open_memory

if TYPE_CHECKING:
    from support.providers.script import Answer, Ask

KEYS, INPUTS, CAPACITY = 3, 10, 5
SHOWN = re.compile(r"^\[(\d+)\] \([\d-]+\) (.*)$", re.MULTILINE)
AGENT = """
import os
from tamias import *

CONFIG = CompactionConfig(model="model")

class Diary(Agent):
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
            clazz="tamias.OpenAIChatModelSetup",
            connection="service",
            retry={"attempts": 30, "wait": 0.01, "factor": 1},
        )

    @action(InputEvent)
    @staticmethod
    async def write(event, ctx):
        sizes = []
        for name in ("one", "two"):
            diary = ctx.long_term_memory.get_memory_set(
                name, capacity=%d, compaction_config=CONFIG
            )
            await diary.aadd([f"{name}:{event.input}.{n}" for n in range(2)])
            sizes.append(await diary.asize())
        ctx.send_event(OutputEvent(output=sizes))
"""
SEEDS = range(8) if PROFILE == "nightly" else range(1)


class Summariser:
    """Joins the items that it is shown with "+"; fails now and then, and answers garbage."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.answered: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
        """By key and set, the items of each question that was answered well, in order."""

    def __call__(self, ask: Ask) -> Answer:
        """Answer a question."""
        shown = next(m.text for m in ask.messages if m.role == "user")
        items = [text for _, text in SHOWN.findall(shown)]
        luck = self._chance.random()
        if luck < 0.1:
            return rate_limited(0.01)
        is_first = sum(message.role == "user" for message in ask.messages) == 1
        if luck < 0.2 and is_first:  # garbage twice would evict items
            return Reply("I am sorry.", delay=0.02)
        name, _, rest = items[0].partition(":")
        self.answered[rest.partition(".")[0], name].append(items)
        topic = {"summarization": "+".join(items), "messages": [0]}
        return Reply(f"```json\n{json.dumps({'topic1': topic})}\n```", delay=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_doubled_or_summarised_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "agent.py").write_text(AGENT % CAPACITY)
    values = [(f"k{n % KEYS}", f"k{n % KEYS}.{n}") for n in range(KEYS * INPUTS)]
    lines = [json.dumps({"key": key, "value": value}) for key, value in values]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    summariser = Summariser(seed)
    with fake_providers(summariser) as fake:
        monkeypatch.setenv("FAKE_URL", fake.openai_url)
        kills = run_with_kills(folder, "agent.py:Diary", random.Random(seed))
    assert kills > 2
    written = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert len(written) == len(values)
    assert max(size for line in written for size in line["output"]) <= CAPACITY + 2 * 2 - 1
    with open_memory(tmp_path / "out.jsonl.tamias") as memory:
        for key in {key for key, _ in values}:
            for name in ("one", "two"):
                items = memory.get_memory_set(key, name).get(limit=None)
                parts = Counter(part for item in items for part in item.value.split("+"))
                own = [value for known, value in values if known == key]
                assert parts == Counter(f"{name}:{value}.{n}" for value in own for n in range(2))
    for questions in summariser.answered.values():
        judge(questions)


def judge(questions: list[list[str]]) -> None:
    """A question that builds upon a summary proves that this is on record.

    The question may have come more than once before, if processes were killed, and not after it.
    """
    done: set[str] = set()
    for items in questions:
        done |= {part for item in items if "+" in item for part in item.split("+")}
        assert not done & {item for item in items if "+" not in item}
