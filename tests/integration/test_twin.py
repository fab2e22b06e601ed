"""The pool of threads that semantics tests use does what pools of processes do."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.launcher.twin import in_threads
from tamias import Agent, AgentsExecutionEnvironment, Event, InputEvent, OutputEvent
from tamias.store.shard import shard
from tamias.store.state.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

INPUTS = 200
KEYS = 9


class Second(Event):
    number: int


def twice(number: int) -> int:
    return 2 * number


class Everything(Agent):
    """Both kinds of action and of durable call, several outputs, failures, and one crash."""

    def __init__(self, folder: str) -> None:
        super().__init__()

        async def first(event: Any, ctx: Any) -> None:
            memory = ctx.short_term_memory
            number = (memory.get("count") or 0) + 1
            memory.set("count", number)
            if event.input == INPUTS // 2:
                crash_once(folder)
            if event.input % 3 == 0:
                await asyncio.sleep(0)
                number += await ctx.durable_execute_async(twice, number)
            if event.input % 11 == 5:
                raise ValueError(event.input)
            ctx.send_event(Second(number=number))

        def second(event: Any, ctx: Any) -> None:
            ctx.short_term_memory.set("last", event.number)
            for output in range(event.number % 3):
                ctx.send_event(
                    OutputEvent(output=(event.number, ctx.durable_execute(twice, output)))
                )

        self.add_action("first", [InputEvent], first)
        self.add_action("second", [Second], second)


def crash_once(folder: str) -> None:
    """End this worker, unless it was done before: SIGKILL, or what does for a thread."""
    try:
        os.close(os.open(f"{folder}/crashed", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return
    if os.path.exists(f"{folder}/threads"):  # noqa: PTH110
        asyncio.get_running_loop().stop()
    else:
        os.kill(os.getpid(), signal.SIGKILL)


def outcome(folder: Path, **options: Any) -> dict[str, Any]:
    """All that a job leaves: outputs, memory, dead letters, counts."""
    env: Any = AgentsExecutionEnvironment.get_execution_environment(
        **{"workers": 2, "on_error": "dead-letter", "state_dir": str(folder / "state"), **options}
    )
    inputs = [{"key": f"k{number % KEYS}", "value": number} for number in range(INPUTS)]
    outputs = env.from_list(inputs).apply(Everything(str(folder))).to_list()
    env.execute()
    report = env.report
    with StoreReader(folder / "state") as reader:
        return {
            "outputs": outputs,
            "memory": {f"k{key}": reader.memory(f"k{key}") for key in range(KEYS)},
            "dead": sorted((letter.offset, letter.error) for letter in reader.dead_letters()),
            "journal": reader.journal(),
            "events": report.events,
            "deaths": report.deaths,
        }


def test_a_thread_crashes_while_another_one_commits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed = []

    def reach(name: str) -> None:
        if name == "commit.inside" and threading.current_thread().name.startswith("tamias-commit"):
            time.sleep(0.01)
            committed.append(name)

    monkeypatch.setattr(shard, "reach", reach)
    (tmp_path / "threads").touch()
    with in_threads():
        left = outcome(tmp_path, durability="machine")
    assert committed
    assert left["deaths"] == 1
    assert left["events"] == INPUTS


@pytest.mark.parametrize(
    "options", [{}, {"start_method": "spawn"}, {"durability": "machine"}], ids=str
)
def test_threads_and_processes_leave_the_same(options: dict[str, Any], tmp_path: Path) -> None:
    for name in ("threads", "processes"):
        (tmp_path / name).mkdir()
    (tmp_path / "threads" / "threads").touch()
    with in_threads():
        expected = outcome(tmp_path / "threads", **{**options, "start_method": "zygote"})
    assert expected["deaths"] == 1
    assert expected["dead"]
    assert outcome(tmp_path / "processes", **options) == expected
