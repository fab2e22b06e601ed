"""`tamias limits`: what calls have used, at rest and beside a running pool."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from support.cli import Folder, wait_for

if TYPE_CHECKING:
    from pathlib import Path

AGENT = """
import asyncio

from tamias import Agent, InputEvent, OutputEvent, TokenUsage, action
from tamias.agent.limits.limited_call import LimitedCall, Route


def say(text):
    return text


class Saying(LimitedCall):
    function = staticmethod(say)
    routes = (Route("api", "big", 100),)

    def __init__(self, text):
        self.arguments = (text,)

    async def attempt(self, route):
        if self.arguments[0] == "wait":
            await asyncio.sleep(3600)
        return self.arguments[0]

    def attempt_now(self, route):
        raise NotImplementedError

    def usage(self, result):
        return TokenUsage(prompt_tokens=40, completion_tokens=60)


class Speaker(Agent):
    @action(InputEvent)
    @staticmethod
    async def speak(event, ctx):
        ctx.send_event(OutputEvent(output=await ctx.durable_execute_async(Saying(event.input))))
"""
CONFIG = """
limits:
  api: {budget-tokens: 250, per-key: {budget: 1}}
  job: {budget: 2.5}
prices:
  big: {input: 1000, output: 1000}
"""
RUN = ("run", "agent.py:Speaker", "-i", "in.jsonl", "-o", "out.jsonl", "--config", "job.yaml")
STATE = "out.jsonl.tamias"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path)
    folder.write("agent.py", AGENT)
    folder.write("job.yaml", CONFIG)
    return folder


def test_what_was_used_of_which_budget(folder: Folder) -> None:
    lines = [{"key": key, "value": f"{number}"} for number, key in enumerate("aaabcd")]
    folder.write("in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    folder.tamias(*RUN, "--workers", "1", code=3)
    assert len(folder.lines()) == 3
    assert all("BudgetExceeded" in letter["error"] for letter in folder.dead_letters())
    listed = folder.tamias("limits", STATE, "--json").stdout.splitlines()
    api, job = map(json.loads, listed)
    assert api == {
        "limit": "api",
        "tokens": 300,
        "budget_tokens": 250,
        "spent": 0.3,
        "budget": None,
    }
    assert job["limit"] == "job"
    assert (job["tokens"], job["spent"], job["budget"]) == (300, 0.3, 2.5)
    shown = folder.tamias("limits", STATE).stdout.splitlines()
    assert shown[1].split() == ["api", "300", "of", "250", "0.3"]
    (key,) = map(
        json.loads, folder.tamias("limits", STATE, "--key", "a", "--json").stdout.splitlines()
    )
    assert key["limit"] == "api"
    assert key["budget"] == 1.0
    assert key["spent"] == pytest.approx(0.1 * key["tokens"] / 100)


def test_a_higher_budget_does_what_was_refused(folder: Folder) -> None:
    lines = [{"key": key, "value": f"{number}"} for number, key in enumerate("abcdef")]
    folder.write("in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    folder.tamias(*RUN, "--workers", "2", code=3)
    assert len(folder.dead_letters()) == 3
    raised = ("--set", "limits.api.budget-tokens=100000")
    folder.tamias(*RUN, *raised, code=3)
    folder.tamias("dead-letters", "retry", STATE, "--all")
    assert sorted(line["output"] for line in folder.lines()) == list("012345")
    (api, *_) = map(json.loads, folder.tamias("limits", STATE, "--json").stdout.splitlines())
    assert api["tokens"] == 600


def test_a_running_pool_shows_what_is_under_way(folder: Folder) -> None:
    lines = [{"key": key, "value": "wait"} for key in "abcd"]
    folder.write("in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    with folder.started(*RUN, "--workers", "1") as process:

        def rows() -> list[dict[str, object]]:
            listed = folder.tamias("limits", STATE, "--json").stdout.splitlines()
            return [json.loads(line) for line in listed]

        wait_for((folder.path / STATE / "tamias.json").exists)
        # After three the budget would be used up, if they use what they may.
        wait_for(lambda: any(row.get("granted") == 3 for row in rows()))
        api = rows()[0]
        assert (api["active"], api["waiting"], api["breaker"]) == (3, 1, "closed")
        assert "3 under way, 1 waiting" in folder.tamias("limits", STATE).stdout
        process.kill()
    assert "granted" not in folder.tamias("limits", STATE, "--json").stdout


def test_a_signal_does_not_wait_for_permits(folder: Folder) -> None:
    lines = [{"key": str(number), "value": str(number)} for number in range(50)]
    folder.write("in.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    folder.write("job.yaml", "limits: {api: {requests-per-minute: 20}}\n")
    with folder.started(*RUN, "--workers", "2") as process:
        wait_for(
            lambda: len(folder.lines()) >= 1 if (folder.path / "out.jsonl").exists() else False
        )
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 130
    assert 1 <= len(folder.lines()) < 10


def test_without_limits_there_is_nothing_to_show(folder: Folder) -> None:
    folder.write("job.yaml", "workers: 1\n")
    folder.write("in.jsonl", '{"key": "a", "value": "x"}\n')
    folder.tamias(*RUN)
    done = folder.tamias("limits", STATE)
    assert done.stdout == ""
    assert "No call has had a limit." in done.stderr


def test_a_mistake_in_a_limit_is_one_error_before_anything_starts(folder: Folder) -> None:
    folder.write("in.jsonl", '{"key": "a", "value": "x"}\n')
    done = folder.tamias(*RUN, "--set", "limits.api.request-per-minute=5", code=2)
    assert "Did you mean 'requests-per-minute'?" in done.stderr
    assert not (folder.path / STATE).exists()
