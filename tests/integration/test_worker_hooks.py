"""What hooks of workers see of a real pool, and that they can do it no harm."""

from __future__ import annotations

import json
import os
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import os, signal
from pathlib import Path
from tamias import Agent, InputEvent, OutputEvent, action

def ask(value):
    return value + 1

class Dying(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        answer = ctx.durable_execute(ask, event.input)
        marker = Path(__file__).with_name("died")
        if event.input == 5 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        ctx.send_event(OutputEvent(output=answer))
"""
HOOKS = "support.worker.hooks:Evil,support.worker.hooks:Writer"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = Folder(tmp_path)
    (tmp_path / "agent.py").write_text(AGENT)
    lines = [json.dumps({"key": f"k{n % 3}", "value": n}) for n in range(12)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines) + "\n")
    return made


def test_runs_calls_replays_and_commits_are_seen_behind_a_hook_that_raises(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    saw = folder.path / "saw"
    monkeypatch.setenv("HOOKS_SAW", str(saw))
    monkeypatch.setenv("PYTHONPATH", os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120
    folder.tamias(
        *("run", "agent.py:Dying", "--input", "in.jsonl", "--output", "out.jsonl"),
        *("--workers", "1", "--ordered", "--set", f"worker-hooks={HOOKS}"),
    )
    outputs = [
        json.loads(line)["output"] for line in (folder.path / "out.jsonl").read_text().splitlines()
    ]
    assert outputs == [n + 1 for n in range(12)]
    told = [json.loads(line) for line in saw.read_text().splitlines()]
    pids = list(dict.fromkeys(pid for pid, *_ in told))
    assert len(pids) == 2  # the worker that died, and its successor
    names = Counter(name for _, name, *_ in told)
    assert names["worker_started"] == 2
    assert names["worker_stopping"] == 1
    replayed = [call for call in told if call[1] == "call_replayed"]
    assert [5, "k2", 1] in [call[2] for call in replayed]
    assert all(call[0] == pids[1] for call in replayed)
    ended = Counter(next(iter(call[2])) for call in told if call[1] == "run_ended")
    assert set(ended) == set(range(12))
    assert 0 < sum(call[2] for call in told if call[1] == "committed") <= 12


def test_a_hook_that_is_not_there_is_one_clear_error(folder: Folder) -> None:
    done = folder.tamias(
        *("run", "agent.py:Dying", "--input", "in.jsonl", "--output", "out.jsonl"),
        *("--set", "worker-hooks=no.such:Hook"),
        code=2,
    )
    assert "The hook no.such:Hook cannot be made" in done.stderr
