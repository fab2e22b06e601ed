"""The event log of a job is in Flink Agents' format: its reader finds all trees in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.house.pages import ROOT

AGENT = """
from tamias import Agent, Event, InputEvent, OutputEvent, action


class Part(Event):
    n: int


class Splitting(Agent):
    @action(InputEvent)
    @staticmethod
    def split(event, ctx):
        for n in range(2):
            ctx.send_event(Part(n=event.input + n))

    @action(Part)
    @staticmethod
    def call(event, ctx):
        ctx.send_event(OutputEvent(output=ctx.durable_execute(abs, -event.n)))
"""


@pytest.mark.process
def test_the_reader_finds_roots_nodes_and_edges_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(AGENT)
    (tmp_path / "in.jsonl").write_text('{"key": "a", "value": 1}\n{"key": "b", "value": 2}\n')
    words = "run agent.py:Splitting --input in.jsonl --output out.jsonl --set event-log.sample=1"
    subprocess.run([sys.executable, "-m", "tamias", *words.split()], cwd=tmp_path, check=True)
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "flink_agents.cli.trace_tree"),
            "out.jsonl.tamias/events",
            *("--format", "json"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "flink_agents" / "package")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    forest = json.loads(done.stdout)
    assert forest["warnings"] == []
    assert len(forest["roots"]) == 2
    for root in forest["roots"]:
        (split,) = forest["nodes"][root]["actions"]
        assert split["name"] == "split"
        assert len(split["children"]) == 2
        for child in split["children"]:
            node = forest["nodes"][child]
            (call,) = node["actions"]
            assert (node["eventType"], call["name"]) == ("Part", "call")
            assert [forest["nodes"][each]["eventType"] for each in call["children"]] == [
                "_output_event"
            ]
