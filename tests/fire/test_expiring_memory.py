"""Memory that expires, while workers are killed at every write point that it has."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.fire.points import WHILE_EXPIRING
from support.moved_clock import SharedClock
from tamias.launcher.jobs.file_job import JobSpec, run_file_job
from tamias.store.state.reader import StoreReader

AGENT = """
from pathlib import Path
from tamias import Agent, Event, InputEvent, OutputEvent, action

class Keeper(Agent):
    @action(InputEvent)
    @staticmethod
    async def count(event, ctx):
        memory = ctx.short_term_memory
        seen = memory.get("seen", 0)
        memory.set("seen", seen + 1)
        memory.set(f"once.{event.input}", event.input)
        called = await ctx.durable_execute_async(call, ctx.key, event.input, seen)
        ctx.send_event(Event(type="counted", attributes={"called": called}))

    @action("counted")
    @staticmethod
    def report(event, ctx):
        memory = ctx.short_term_memory
        seen, once = memory.get("seen"), memory.get("once").get_field_names()
        ctx.send_event(OutputEvent(output=[event.get_attr("called"), seen, once]))

def call(*arguments):
    with (Path(__file__).parent / "calls").open("a") as file:
        print(*arguments, file=file, flush=True)
    return list(arguments)
"""
LIFETIME = 10
KEYS = 12
ALIVE_ONCE = 40

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SharedClock:
    return SharedClock(monkeypatch, tmp_path / "clock")


class Job:
    """A job whose input file grows from one life to the next."""

    def __init__(self, folder: Path) -> None:
        (folder / "agent.py").write_text(AGENT)
        self.folder = folder
        self.state = folder / "state"
        self.spec = JobSpec(
            target=f"{folder}/agent.py:Keeper",
            input=str(folder / "in.jsonl"),
            output=str(folder / "out.jsonl"),
            config={
                "workers": 2,
                "shards": 4,
                "batch-size": 4,
                "short-term-memory.state-ttl.ms": LIFETIME * 1000,
            },
            folder=str(folder),
        )
        self.sent: Counter[str] = Counter()

    def run(self, keys: list[str]) -> None:
        """Process one more input of each key."""
        with Path(self.spec.input).open("a") as file:
            for key in keys:
                file.write(json.dumps({"key": key, "value": f"v{self.sent[key]}"}) + "\n")
                self.sent[key] += 1
        assert run_file_job(self.spec, self.state).exit_code == 0

    def outputs(self) -> Iterator[tuple[str, list[Any]]]:
        for line in map(json.loads, Path(self.spec.output).read_text().splitlines()):
            yield line["key"], line["output"]

    def memory(self) -> tuple[dict[Any, Any], int]:
        """What readers see, and how many fields are stored."""
        with StoreReader(self.state) as reader:
            return {key: reader.memory(key) for key in list(reader.keys())}, reader.counts()[
                "memory"
            ]


@pytest.mark.parametrize("count", [1, pytest.param(3, marks=pytest.mark.nightly)])
@pytest.mark.parametrize("point", ["expire.settings", *WHILE_EXPIRING])
def test_no_death_brings_anything_back_or_loses_what_lives(
    tmp_path: Path, moved: SharedClock, monkeypatch: pytest.MonkeyPatch, point: str, count: int
) -> None:
    flag = tmp_path / "flag"
    flag.touch()
    monkeypatch.setenv("TAMIAS_CRASH", f"{point}:{count}:{flag}")
    job = Job(tmp_path)
    busy, idle = [f"k{n}" for n in range(KEYS)], [f"idle{n}" for n in range(ALIVE_ONCE)]
    job.run([*idle, *busy, *busy])
    moved.advance(LIFETIME + 1)
    assert job.memory()[0] == {}
    job.run([*busy, *busy, *busy])
    assert not flag.exists() or count > 1, "nobody has died"
    found: dict[str, list[Any]] = {}
    for key, output in job.outputs():
        found.setdefault(key, []).append(output)
    for key in busy:
        assert found[key] == [
            [[key, f"v{n}", seen], seen + 1, [f"v{m}" for m in range(n - seen, n + 1)]]
            for n, seen in enumerate([0, 1, 0, 1, 2])
        ]
    assert all(len(found[key]) == 1 for key in idle)
    memory, stored = job.memory()
    assert memory == {
        key: {"seen": 3, "once": {f"v{n}": f"v{n}" for n in (2, 3, 4)}} for key in busy
    }
    assert stored == 4 * KEYS
    calls = (tmp_path / "calls").read_text().splitlines()
    assert len(set(calls)) == len(idle) + 5 * KEYS
    assert len(calls) <= len(set(calls)) + 2 * 8, "calls are repeated only where a death was"
