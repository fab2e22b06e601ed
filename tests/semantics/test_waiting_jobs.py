"""Jobs whose runs wait, at the end of their input and after it; workers are threads."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from support.moved_clock import MovedClock
from tamias import (
    Agent,
    AgentsExecutionEnvironment,
    AnswerError,
    EndOfInputEvent,
    Event,
    InputEvent,
    OutputEvent,
    RunnerContext,
    action,
)
from tamias.agent.errors import PoolError, TamiasError
from tamias.launcher.control.client import send_request
from tamias.launcher.pool import pool
from tamias.launcher.pool.shutdown import stop_workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tamias.launcher.workers.threads import ThreadStarter

HOUR = 3600.0


class Napper(Agent):
    """Sleeps as long as the input says, and counts the inputs of its key."""

    @action(InputEvent)
    @staticmethod
    async def nap(event: Event, ctx: RunnerContext) -> None:
        await ctx.sleep(event.input)
        count = (ctx.short_term_memory.get("count") or 0) + 1
        ctx.short_term_memory.set("count", count)
        ctx.send_event(OutputEvent(output=[event.input, count]))


class Sessions(Agent):
    """Emits the number of inputs of a key at the end of the input."""

    @action(InputEvent)
    @staticmethod
    def count(event: Event, ctx: RunnerContext) -> None:
        ctx.short_term_memory.set("count", (ctx.short_term_memory.get("count") or 0) + event.input)

    @action(EndOfInputEvent)
    @staticmethod
    def last(event: Event, ctx: RunnerContext) -> None:
        ctx.send_event(OutputEvent(output=ctx.short_term_memory.get("count")))


class Reminder(Agent):
    """Has an event arrive later."""

    @action(InputEvent)
    @staticmethod
    def note(event: Event, ctx: RunnerContext) -> None:
        if isinstance(event.input, str):
            ctx.send_event(OutputEvent(output=event.input))
        else:
            ctx.schedule(after=event.input, event=InputEvent(input=f"after {event.input}"))


def start(inputs: list[Any], agent: type[Agent], **options: Any) -> tuple[Any, list[Any]]:
    env: Any = AgentsExecutionEnvironment.get_execution_environment(**{"workers": 2, **options})
    elements = [{"key": key, "value": value} for key, value in inputs]
    outputs: list[Any] = env.from_list(elements).apply(agent).to_list()
    env.execute()
    return env.report, outputs


def test_an_end_of_input_run_for_each_key(tmp_path: Path) -> None:
    inputs = [(n % 5, 1) for n in range(50)]
    for _ in range(2):  # the second time nothing is new
        report, outputs = start(inputs, Sessions, state_dir=str(tmp_path / "state"))
        assert sorted(outputs, key=str) == [{n: 10} for n in range(5)]
        assert (report.exit_code, report.events) == (0, 50)


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> MovedClock:
    return MovedClock(monkeypatch)


def test_a_job_ends_with_runs_that_wait_long_and_goes_on_later(
    tmp_path: Path, moved: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = [("a", HOUR), ("b", 0), ("a", 0), ("b", 0), ("c", 2 * HOUR)]
    state = str(tmp_path / "state")
    with caplog.at_level(logging.WARNING, "tamias"):
        report, outputs = start(inputs, Napper, state_dir=state)
    assert outputs == [{"b": [0, 1]}, {"b": [0, 2]}]
    assert report.finished
    assert (report.exit_code, report.events) == (4, 2)
    assert (report.waiting_runs, report.waiting_inputs, report.timers) == (2, 1, 0)
    assert report.next_due == pytest.approx(time.time() + HOUR, abs=60)
    assert "2 runs wait, with 1 input behind (next due in" in caplog.text
    report, outputs = start(inputs, Napper, state_dir=state)
    assert (report.exit_code, report.events, len(outputs)) == (4, 2, 2)
    moved.advance(HOUR + 1)
    report, outputs = start(inputs, Napper, state_dir=state)
    assert outputs == [
        {"a": [HOUR, 1]},
        {"b": [0, 1]},
        {"a": [0, 2]},
        {"b": [0, 2]},
    ]
    assert (report.exit_code, report.events, report.waiting_runs) == (4, 4, 1)
    moved.advance(HOUR)
    report, outputs = start(inputs, Napper, state_dir=state)
    assert (report.exit_code, report.events, len(outputs)) == (0, 5, 5)
    assert not report.waiting


@pytest.mark.parametrize("at_end", ["auto", "wait", "suspend"])
def test_what_the_end_does_about_a_timer(tmp_path: Path, moved: MovedClock, at_end: str) -> None:
    timer = threading.Timer(0.5, moved.advance, [30])
    timer.start()
    report, outputs = start(
        [("a", 30), ("b", "now")],
        Reminder,
        state_dir=str(tmp_path / "state"),
        at_end=at_end,
    )
    timer.join()
    if at_end == "suspend":
        assert outputs == [{"b": "now"}]
        assert (report.exit_code, report.timers, report.events) == (4, 1, 2)
    else:
        assert outputs == [{"b": "now"}, {"a": "after 30"}]
        assert (report.exit_code, report.timers, report.events) == (0, 0, 2)


def test_a_job_with_a_temporary_state_waits(moved: MovedClock) -> None:
    timer = threading.Timer(0.5, moved.advance, [HOUR])
    timer.start()
    report, outputs = start([("a", HOUR), ("b", 0)], Napper)
    timer.join()
    assert outputs == [{"a": [HOUR, 1]}, {"b": [0, 1]}]
    assert report.exit_code == 0


class Clerk(Agent):
    """Asks whether it may."""

    @action(InputEvent)
    @staticmethod
    async def ask(event: Event, ctx: RunnerContext) -> None:
        answer = await ctx.wait_for("approval", ask=event.input)
        ctx.send_event(OutputEvent(output=f"{event.input}: {answer}"))


def test_an_answer_reaches_a_running_job_though_its_workers_die(
    tmp_path: Path, twin: list[ThreadStarter]
) -> None:
    state = tmp_path / "state"
    inputs = [("a", "trip"), ("b", "lunch")]
    report, outputs = start(inputs, Clerk, state_dir=str(state))
    assert (report.exit_code, report.questions, report.events) == (4, 2, 0)
    questions = {question.ask: question.token for pair in outputs for question in pair.values()}
    assert set(questions) == {"trip", "lunch"}
    result: list[Any] = []

    def life() -> None:
        options = {"state_dir": str(state), "at_end": "wait"}
        result.append(start(inputs, Clerk, **options))

    thread = threading.Thread(target=life)
    thread.start()
    try:
        eventually(lambda: send_request(state, "status")["waiting_runs"] == 2)
        assert send_request(state, "answer", {"token": questions["trip"], "value": "yes"}) == {
            "answered": True
        }
        with pytest.raises(AnswerError):
            send_request(state, "answer", {"token": questions["trip"], "value": "no"})
        for slot in range(2):
            twin[-1].crash(slot)
        answer = {"token": questions["lunch"], "value": [1, "no"], "by": "Ann"}
        assert send_request(state, "answer", answer) == {"answered": True}
    finally:
        thread.join(60)
    report, outputs = result[0]
    assert (report.exit_code, report.events) == (0, 2)
    texts = [text for pair in outputs for text in pair.values() if isinstance(text, str)]
    assert sorted(texts) == ["lunch: [1, 'no']", "trip: yes"]


def eventually(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        try:
            if condition():
                return
        except TamiasError:
            pass  # there is no state directory yet, or no socket
        time.sleep(0.05)
    raise AssertionError("it does not come")


def test_workers_that_die_while_the_pool_stops_change_nothing_of_what_is_reported(
    tmp_path: Path,
    moved: MovedClock,
    twin: list[ThreadStarter],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs: list[Any] = [(n, 50) for n in range(20)]
    state = str(tmp_path / "state")
    assert start(inputs, Reminder, state_dir=state, at_end="suspend")[0].timers == 20
    moved.advance(1000)

    def stop_dead_workers(*args: Any, **kwargs: Any) -> Any:
        for slot in range(2):
            twin[-1].crash(slot)
        return stop_workers(*args, **kwargs)

    monkeypatch.setattr(pool, "stop_workers", stop_dead_workers)
    report, outputs = start(inputs, Reminder, state_dir=state)  # their last heartbeats are missing
    assert len(outputs) == 20
    assert (report.exit_code, report.timers) == (0, 0)


def test_workers_that_die_run_each_timer_once(
    tmp_path: Path, moved: MovedClock, twin: list[ThreadStarter]
) -> None:
    inputs: list[Any] = [(n % 20, 50 + n) for n in range(200)]
    state = str(tmp_path / "state")
    report, outputs = start(inputs, Reminder, state_dir=state, at_end="suspend", shards=4)
    assert (report.exit_code, report.timers, outputs) == (4, 200, [])
    moved.advance(1000)
    stop = threading.Event()

    def crash() -> None:
        slot = 0
        while not stop.wait(0.1):
            if len(twin) > 1 and twin[-1].crash(slot % 2):
                slot += 1
            if slot == 6:
                return

    thread = threading.Thread(target=crash)
    thread.start()
    report, outputs = start(inputs, Reminder, state_dir=state, shards=4)
    stop.set()
    thread.join()
    assert report.exit_code == 0
    by_key: dict[int, list[str]] = {}
    for pair in outputs:
        for key, text in pair.items():
            by_key.setdefault(key, []).append(text)
    assert by_key == {
        key: [f"after {50 + n}" for n in range(200) if n % 20 == key] for key in range(20)
    }


def test_shards_that_move_keep_what_waits_in_order(tmp_path: Path, moved: MovedClock) -> None:
    inputs: list[Any] = [(n % 30, 50 + n % 7) for n in range(600)]
    state = tmp_path / "state"
    options: dict[str, Any] = {"state_dir": str(state), "shards": 8}
    report, outputs = start(inputs, Napper, at_end="suspend", **options)
    assert (report.exit_code, report.waiting_runs, report.waiting_inputs) == (4, 30, 570)
    result: list[Any] = []
    thread = threading.Thread(
        target=lambda: result.append(start(inputs, Napper, at_end="wait", **options))
    )
    thread.start()
    try:
        eventually(lambda: send_request(state, "status")["waiting_runs"] == 30)
        turn = 0
        while thread.is_alive() and turn < 2000:
            turn += 1
            moved.advance(20)
            with suppress(PoolError):  # the job has ended
                send_request(state, "scale", {"workers": 1 + turn // 4 % 4})
            thread.join(0.01)
    finally:
        thread.join(60)
    report, outputs = result[0]
    assert (report.exit_code, report.events) == (0, 600)
    by_key: dict[int, list[Any]] = {}
    for pair in outputs:
        for key, output in pair.items():
            by_key.setdefault(key, []).append(output)
    assert by_key == {
        key: [[50 + n % 7, 1 + n // 30] for n in range(600) if n % 30 == key] for key in range(30)
    }


def test_too_many_waiting_inputs_hold_the_source_up(tmp_path: Path, moved: MovedClock) -> None:
    fed = 0
    is_over = threading.Event()
    state = tmp_path / "state"

    def feed() -> Iterator[dict[str, Any]]:
        nonlocal fed
        for n in range(1000):
            if n > 300 and not is_over.is_set():
                time.sleep(0.02)  # many heartbeats say how many wait before the last one is fed
            fed += 1
            yield {"key": "a", "value": 0 if n else HOUR}

    env: Any = AgentsExecutionEnvironment.get_execution_environment(
        workers=1, state_dir=str(state), waiting_limit=100, window=16, batch_size=16, at_end="wait"
    )
    outputs: list[Any] = env.from_list(feed()).apply(Napper).to_list()
    thread = threading.Thread(target=env.execute)
    thread.start()
    try:
        eventually(lambda: send_request(state, "status")["waiting_inputs"] > 200)
        stopped_at = 0
        while stopped_at < fed:
            stopped_at = fed
            time.sleep(0.3)
        assert stopped_at < 800
    finally:
        is_over.set()
        moved.advance(HOUR)
        thread.join(60)
    assert outputs == [{"a": [0 if n else HOUR, n + 1]} for n in range(1000)]
