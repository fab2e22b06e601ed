"""What the status says of what workers execute; workers are threads."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tamias import Agent, AgentsExecutionEnvironment, Event, InputEvent, OutputEvent, action
from tamias.launcher.control.client import send_request

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.launcher.workers.threads import ThreadStarter

_GO = threading.Event()


class Further(Event):
    how: str


class Waiter(Agent):
    """Waits in a way that the input names, in the second action."""

    @action(InputEvent)
    @staticmethod
    def first(event: Event, ctx: Any) -> None:
        ctx.send_event(Further(how=event.input))

    @action(Further)
    @staticmethod
    async def second(event: Event, ctx: Any) -> None:
        if event.how == "blocked":
            _GO.wait(60)
        while not _GO.is_set():  # noqa: ASYNC110 (another thread sets it)
            await asyncio.sleep(0.01)
        ctx.send_event(OutputEvent(output=event.how))


class Plain(Agent):
    @action(InputEvent)
    @staticmethod
    def only(event: Event, ctx: Any) -> None:
        if event.input == "blocked":
            _GO.wait(60)
        ctx.send_event(OutputEvent(output=event.input))


def executing(state: Path) -> list[dict[str, Any]]:
    status = send_request(state, "status")
    return [run for worker in status["workers"] for run in worker["executing"]]


@pytest.mark.parametrize(
    ("agent", "how", "in_action"),
    [(Waiter, "blocked", "second"), (Waiter, "waits", "second"), (Plain, "blocked", "only")],
)
def test_the_status_says_what_is_executed_and_since_when(
    tmp_path: Path, agent: type[Agent], how: str, in_action: str
) -> None:
    _GO.clear()
    state = tmp_path / "state"
    env: Any = AgentsExecutionEnvironment.get_execution_environment(workers=2, state_dir=str(state))
    env.from_list([{"key": "other", "value": how}]).apply(agent).to_list()
    began = time.time()
    with ThreadPoolExecutor(1) as thread:
        try:
            run = thread.submit(env.execute)
            until = time.monotonic() + 60
            found: list[dict[str, Any]] = []
            while not (found and found[0]["action"]) and time.monotonic() < until:
                time.sleep(0.02)
                if (state / "run" / "control").exists():
                    found = executing(state)
            (one,) = found
            assert (one["offset"], one["key"], one["action"]) == (0, "other", in_action)
            assert began <= one["since"] <= time.time()
        finally:
            _GO.set()
        run.result(60)


def test_the_status_says_how_the_last_worker_has_ended(
    tmp_path: Path, twin: list[ThreadStarter]
) -> None:
    _GO.clear()
    state = tmp_path / "state"
    env: Any = AgentsExecutionEnvironment.get_execution_environment(workers=1, state_dir=str(state))
    env.from_list([{"key": "k", "value": "waits"}]).apply(Waiter).to_list()
    began = time.time()
    with ThreadPoolExecutor(1) as thread:
        try:
            run = thread.submit(env.execute)
            until = time.monotonic() + 60
            while not ((state / "run" / "control").exists() and executing(state)):
                assert time.monotonic() < until
                time.sleep(0.02)
            twin[-1].crash(0)
            worker: dict[str, Any] = {"last_death": ""}
            while not worker["last_death"] and time.monotonic() < until:
                (worker,) = send_request(state, "status")["workers"]
                time.sleep(0.02)
            assert "SIGKILL" in worker["last_death"]
            assert began < worker["last_death_at"] <= time.time()
        finally:
            _GO.set()
        run.result(60)
