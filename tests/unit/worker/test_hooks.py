"""What is reported to hooks of a worker, and that they can do no harm."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from support.loops import on_loop
from support.worker.bench import bench
from support.worker.durable import agent
from support.worker.hooks import METHODS, Evil, Recorder
from tamias import InputEvent, OutputEvent, RunnerContext
from tamias.worker.durable.fingerprint import identify_call
from tamias.worker.hooks import WorkerHook

if TYPE_CHECKING:
    from pathlib import Path

    from tamias import Agent

METRICS = "hookErrors"


async def fetch(name: str) -> str:
    return f"<{name}>"


def plain(name: str) -> str:
    return f"<{name}>"


def doubling() -> Agent:
    def act(event: InputEvent, ctx: RunnerContext) -> None:
        if event.input == "bad":
            raise ValueError("told to")
        ctx.send_event(OutputEvent(output=event.input * 2))

    return agent(act)


def calling() -> Agent:
    async def act(event: InputEvent, ctx: RunnerContext) -> None:
        first = await ctx.durable_execute_async(fetch, f"{event.input} 1")
        second = ctx.durable_execute(plain, f"{event.input} 2")
        ctx.send_event(OutputEvent(output=[first, second]))

    return agent(act)


@on_loop
async def test_a_run_is_reported_from_its_beginning_to_its_commit(tmp_path: Path) -> None:
    hook = Recorder()
    with bench(doubling(), tmp_path, hooks=[hook]) as life:
        assert await life.run(("k", 4)) == [[8]]
    run = [0, "k", 1]
    assert hook.calls == [
        ("run_begun", run),
        ("action_begun", run, "act", "InputEvent"),
        ("action_ended", run, "act", None),
        ("run_ended", run, 1),
        ("committed", 1, 1, hook.calls[-1][3], "seconds"),
    ]
    assert 0 < hook.calls[-1][3] < 1000


@on_loop
async def test_a_commit_reports_the_bytes_that_it_writes(tmp_path: Path) -> None:
    sizes: list[int] = []

    class Sizes(WorkerHook):
        def committed(self, runs: int, shards: int, written: int, seconds: float) -> None:
            del runs, shards, seconds
            sizes.append(written)

    def act(event: InputEvent, ctx: RunnerContext) -> None:
        ctx.short_term_memory.set("text", event.input)

    with bench(agent(act), tmp_path, hooks=[Sizes()]) as life:
        await life.run(("k", "x"))
        await life.run(("k", "x" * 10_001), first=1)
    small, large = sizes
    assert large - small >= 10_000
    assert small < 1000


@on_loop
async def test_each_attempt_is_reported_with_what_follows_it(tmp_path: Path) -> None:
    hook = Recorder()
    with bench(doubling(), tmp_path, hooks=[hook], max_attempts=2) as life:
        assert await life.run(("k", "bad")) == [[]]
    reported = [
        call for call in hook.calls if call[0] in {"run_begun", "action_ended", "run_failed"}
    ]
    assert reported == [
        ("run_begun", [0, "k", 1]),
        ("action_ended", [0, "k", 1], "act", "ValueError"),
        ("run_failed", [0, "k", 1], "ValueError", "retry"),
        ("run_begun", [0, "k", 2]),
        ("action_ended", [0, "k", 2], "act", "ValueError"),
        ("run_failed", [0, "k", 2], "ValueError", "dead-letter"),
    ]


@pytest.mark.parametrize(("on_error", "outcome"), [("ignore", "ignore"), ("fail", "fail")])
def test_the_outcome_of_a_failure_is_reported(tmp_path: Path, on_error: str, outcome: str) -> None:
    @on_loop
    async def check() -> None:
        hook = Recorder()
        with bench(doubling(), tmp_path, hooks=[hook], on_error=on_error) as life:
            life.send(("k", "bad"))
            assert ("run_failed", [0, "k", 1], "ValueError", outcome) in hook.calls

    check()


@on_loop
async def test_calls_are_made_in_one_life_and_replayed_in_the_next(tmp_path: Path) -> None:
    hook = Recorder()
    with bench(calling(), tmp_path, hooks=[hook], commits_left=1) as life:
        life.send(("k", "a"))
        await life.until(0)  # it dies before the second call is on record
    made = [call for call in hook.calls if call[0].startswith("call")]
    first, second = (
        identify_call(function, (f"a {n}",), {}).fingerprint.hex()
        for n, function in ((1, fetch), (2, plain))
    )
    assert made == [
        ("call_made", [0, "k", 1], f"{__name__}.fetch", first, "seconds", None),
        ("call_made", [0, "k", 1], f"{__name__}.plain", second, "seconds", None),
    ]
    again = Recorder()
    with bench(calling(), tmp_path, hooks=[again]) as life:
        assert await life.run(("k", "a")) == [[["<a 1>", "<a 2>"]]]
    replayed = [call for call in again.calls if call[0] == "call_replayed"]
    assert replayed == [("call_replayed", [0, "k", 1], f"{__name__}.fetch", first)]
    assert [call[3] for call in again.calls if call[0] == "call_made"] == [second]


@on_loop
async def test_a_hook_that_raises_is_counted_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hook = Recorder()
    caplog.set_level(logging.ERROR, "tamias.hooks")
    with bench(calling(), tmp_path, hooks=[Evil(), hook]) as life:
        outputs = await life.run(("k", "b"), ("k", "c"))
        assert outputs == [[["<b 1>", "<b 2>"]], [["<c 1>", "<c 2>"]]]
        assert life.hooks.errors == len(hook.calls) > 10
        life.metrics.hooks = life.hooks
        assert life.metrics.snapshot()[METRICS] == life.hooks.errors
    assert len(caplog.records) == 1
    assert "support.worker.hooks:Evil failed in run_begun" in caplog.text


@on_loop
async def test_the_short_path_is_taken_only_while_no_hook_listens(tmp_path: Path) -> None:
    with bench(doubling(), tmp_path / "without") as life:
        assert life.engine._simple is not None
    with bench(doubling(), tmp_path / "with", hooks=[Recorder()]) as life:
        assert life.engine._simple is None


def test_every_method_of_a_hook_is_one_that_the_tests_listen_to() -> None:
    assert set(METHODS) == {
        "worker_started",
        "worker_stopping",
        "run_begun",
        "run_ended",
        "run_failed",
        "run_suspended",
        "action_begun",
        "action_ended",
        "call_made",
        "call_replayed",
        "committed",
    }
