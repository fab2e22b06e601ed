"""What `scripts/chat-day` runs."""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from support.providers.script import Reply, Used
from support.providers.server import fake_providers
from tamias import open_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.providers.script import Ask

SHOWN = re.compile(r"^\[(\d+)\] \(\d{4}-\d\d-\d\d\) (.*)$", re.MULTILINE)
CHARACTERS_PER_TOKEN = 4
LONGEST_SUMMARY = 1200
AGENT = """
import os
from tamias import *


class Remembering(Agent):
    @chat_model_connection
    @staticmethod
    def service():
        return ResourceDescriptor(
            clazz="tamias.OpenAIChatModelConnection", api_base_url=os.environ["FAKE_URL"]
        )

    @chat_model_setup
    @staticmethod
    def writer():
        return ResourceDescriptor(clazz="tamias.OpenAIChatModelSetup", connection="service")

    @action(InputEvent)
    @staticmethod
    async def remember(event, ctx):
        config = CompactionConfig(model="writer", limit=int(os.environ["TOPICS"]))
        chat = ctx.long_term_memory.get_memory_set(
            "chat", capacity=int(os.environ["CAPACITY"]), compaction_config=config
        )
        await chat.aadd(event.input)
        size = await chat.asize()
        ctx.send_event(OutputEvent(output=size))
"""


def messages(path: Path | None) -> Iterator[dict[str, Any]]:
    """Yield messages of a chat: mappings with "text", and perhaps "key"."""
    if path is not None:
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return
    import chitchat_dataset  # noqa: PLC0415 (the script installs it)

    dataset = Path(chitchat_dataset.__file__).with_name("dataset.json")
    for conversation in json.loads(dataset.read_text(encoding="utf-8")).values():
        for turn in conversation["messages"]:
            yield from ({"text": said["text"]} for said in turn)


def summarise(ask: Ask, latency: float, topics: int) -> Reply:
    """Summarise as a model would, in shape and length: the beginning of each item."""
    shown = SHOWN.findall(ask.first)
    share = max(1, -(-len(shown) // topics))
    answer = {}
    for number, first in enumerate(range(0, len(shown), share)):
        part = shown[first : first + share]
        room = LONGEST_SUMMARY // topics // len(part)
        text = "; ".join(text[: max(room, 12)] for _, text in part)[:LONGEST_SUMMARY]
        positions = [int(position) for position, _ in part]
        answer[f"topic{number}"] = {"summarization": text, "messages": positions}
    said = json.dumps(answer, ensure_ascii=False)
    asked = sum(len(message.text) for message in ask.messages)
    used = Used(asked // CHARACTERS_PER_TOKEN, len(said) // CHARACTERS_PER_TOKEN)
    return Reply(said, used=used, delay=latency)


def main() -> int:
    """Run the day; returns 1 if a set has become larger than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chat", type=Path, help="lines of JSON with key and text")
    parser.add_argument("--messages", type=int, default=50_000)
    parser.add_argument("--keys", type=int, default=500)
    parser.add_argument("--capacity", type=int, default=20)
    parser.add_argument("--topics", type=int, default=1, help="summaries of a compaction, at most")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds of each answer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        return run_day(Path(directory), arguments)


def run_day(folder: Path, arguments: argparse.Namespace) -> int:
    """Run the day in a folder, and print what has come of it."""
    (folder / "agent.py").write_text(AGENT)
    keys = cycle(f"user-{number}" for number in range(arguments.keys))
    characters = count = 0
    with (folder / "chat.jsonl").open("w", encoding="utf-8") as file:
        for said, key in zip(messages(arguments.chat), keys, strict=False):
            if count == arguments.messages:
                break
            count += 1
            characters += len(said["text"])
            print(json.dumps({"key": said.get("key", key), "value": said["text"]}), file=file)
    asked: list[Used] = []

    def answer(ask: Ask) -> Reply:
        reply = summarise(ask, arguments.latency, arguments.topics)
        asked.append(reply.used)
        return reply

    tamias = Path(sys.executable).with_name("tamias")
    command = [
        *(str(tamias), "run", "agent.py:Remembering", "--input", "chat.jsonl"),
        *("--output", "out.jsonl", "--workers", str(arguments.workers), "--json"),
    ]
    with fake_providers(answer) as fake:
        environment = {
            **os.environ,
            "FAKE_URL": fake.openai_url,
            "OPENAI_API_KEY": "none",
            "CAPACITY": str(arguments.capacity),
            "TOPICS": str(arguments.topics),
        }
        begun = time.monotonic()
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
        seconds = time.monotonic() - begun
    report = json.loads(done.stdout.splitlines()[-1])
    outputs = map(json.loads, (folder / "out.jsonl").read_text(encoding="utf-8").splitlines())
    largest = max(line["output"] for line in outputs)
    prompt, completion = sum(used.prompt for used in asked), sum(used.completion for used in asked)
    print(
        f"{count:,} messages, {characters:,} characters, {arguments.keys} keys, "
        f"{arguments.workers} workers: {seconds:.0f} s, {count / seconds:,.0f}/s"
    )
    print(f"largest set a run has seen: {largest} items; capacity {arguments.capacity}")
    print(
        f"calls of the model: {len(asked):,}, one for {count / max(1, len(asked)):.1f} messages; "
        f"{prompt:,} prompt tokens, {completion:,} completion tokens"
    )
    report_sets(folder / "out.jsonl.tamias")
    report_metrics(report["metrics"])
    return int(largest > arguments.capacity + 1)


def report_sets(state: Path) -> None:
    """Print what is left."""
    sizes, characters, summaries = [], 0, 0
    with open_memory(state) as memory:
        for key in memory.keys():  # noqa: SIM118 (no mapping)
            items = memory.get_memory_set(key, "chat").get(limit=None)
            sizes.append(len(items))
            characters += sum(len(item.value) for item in items)
            summaries += sum(item.compacted for item in items)
    disk = sum(path.stat().st_blocks * 512 for path in (state / "shards").rglob("data.mdb"))
    print(
        f"left: {sum(sizes):,} items, {min(sizes)} to {max(sizes)} of a key, {summaries:,} of "
        f"them summaries; {characters:,} characters; {disk / 1e6:.1f} MB of files"
    )


def report_metrics(metrics: dict[str, Any]) -> None:
    """Print the metrics of the sets."""
    for name, value in sorted(metrics.items()):
        if ".memory." in name:
            print(f"  {name}: {value:,}")


if __name__ == "__main__":
    raise SystemExit(main())
