"""What is told of temporary state before it goes, and where it was."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tamias import (
    Agent,
    AgentFailedError,
    AgentsExecutionEnvironment,
    InputEvent,
    OutputEvent,
    RunnerContext,
    WorkerStartError,
)
from tamias.store.state import scratch
from tamias.store.state.layout import StateLayout


def environment(function: Any, inputs: int, **options: Any) -> tuple[Any, list[Any]]:
    agent = Agent()
    agent.add_action("act", [InputEvent], function)
    env: Any = AgentsExecutionEnvironment.get_execution_environment(**{"workers": 1, **options})
    outputs = env.from_list([{"key": f"k{n}", "value": n} for n in range(inputs)]).apply(agent)
    return env, outputs.to_list()


def echo(event: Any, ctx: RunnerContext) -> None:
    ctx.send_event(OutputEvent(output=event.input))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged of dead letters."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "tamias" and record.levelno == logging.WARNING
    ]


def test_an_input_that_killed_its_workers_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        if event.input == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        ctx.send_event(OutputEvent(output=event.input))

    env, outputs = environment(act, 4)
    env.execute()
    assert outputs == [{"k0": 0}, {"k1": 1}, {"k3": 3}]
    assert env.report.dead_letters == 1
    (warning,) = warnings(caplog)
    assert warning.startswith("input 2 (key 'k2') was set aside: crash: ")
    assert "SIGSEGV" in warning
    assert not Path(env.report.state).exists()


def test_of_many_only_the_first_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        raise ValueError(event.input)

    env, _ = environment(act, 8, on_error="dead-letter", max_attempts=1)
    env.execute()
    *letters, rest = warnings(caplog)
    place = f"{__file__}:{act.__code__.co_firstlineno + 1} in act"
    assert letters == [
        f"input {n} (key 'k{n}') was set aside: exception: ValueError: {n} ({place})"
        for n in range(5)
    ]
    assert rest == "3 further inputs were set aside"


class Doomed(Agent):
    """Ends the interpreter that unpickles it, with many words."""

    def __reduce__(self) -> Any:
        return exec, ("import os\nfor n in range(30): print('line', n, flush=True)\nos._exit(3)",)


@pytest.mark.parametrize("named", [False, True])
def test_the_last_words_of_workers_are_kept(tmp_path: Path, *, named: bool) -> None:
    state = tmp_path / "state"
    agent = Doomed()
    agent.add_action("act", [InputEvent], echo)
    env = AgentsExecutionEnvironment.get_execution_environment(
        workers=1, start_method="spawn", **({"state_dir": str(state)} if named else {})
    )
    env.from_list([{"key": 1, "value": 1}]).apply(agent)
    with pytest.raises(WorkerStartError) as caught:
        env.execute()
    if named:
        assert str(StateLayout(state).pool_log) in caught.value.hint
    else:
        first, *lines, last = caught.value.hint.splitlines()
        assert first == "The last that the workers printed:"
        assert lines == [f"[zygote] line {n}" for n in range(10, 30)]
        kept = Path(last.removeprefix("What the workers printed is in ").removesuffix("."))
        assert "line 0" in kept.read_text()
        kept.unlink()


def test_what_was_printed_is_shown_on_request(capfd: pytest.CaptureFixture[str]) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        sys.stdout.write(f"seen {event.input}\n")
        ctx.send_event(OutputEvent(output=event.input))

    env, _ = environment(act, 2, show_logs=True)
    env.execute()
    shown = sorted(line for line in capfd.readouterr().err.splitlines() if "seen" in line)
    assert [line.partition(", ")[2] for line in shown] == [
        "input 0, key 'k0'] seen 0",
        "input 1, key 'k1'] seen 1",
    ]


def test_what_was_printed_is_kept_when_the_job_fails(caplog: pytest.LogCaptureFixture) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        sys.stdout.write(f"seen {event.input}\n")
        raise ValueError(event.input)

    env, _ = environment(act, 1)
    with pytest.raises(AgentFailedError) as caught:
        env.execute()
    failed = Path(caught.value.hint.rpartition("What the workers printed is in ")[2].rstrip("."))
    env, _ = environment(act, 1, on_error="dead-letter", max_attempts=1)
    env.execute()
    assert env.report is not None
    assert warnings(caplog)[-1] == f"what the workers printed is in {env.report.log}"
    for kept in (failed, Path(env.report.log)):
        assert kept.read_text().endswith("input 0, key 'k0'] seen 0\n")
        kept.unlink()


@pytest.mark.parametrize(
    ("durability", "room", "in_memory"),
    [("none", 0, True), ("none", 1 << 62, False), ("process", 0, False)],
)
def test_state_that_need_not_survive_is_in_memory_where_there_is_room(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    durability: str,
    room: int,
    *,
    in_memory: bool,
) -> None:
    monkeypatch.setattr(scratch, "MEMORY", tmp_path)
    monkeypatch.setattr(scratch, "MIN_FREE_BYTES", room)
    env, outputs = environment(echo, 2, durability=durability)
    env.execute()
    assert outputs == [{"k0": 0}, {"k1": 1}]
    folder = tmp_path if in_memory else Path(tempfile.gettempdir())
    assert Path(env.report.state).parent.parent == folder
    assert list(tmp_path.iterdir()) == []


def test_inputs_that_are_ignored_are_told_of_by_kind(caplog: pytest.LogCaptureFixture) -> None:
    def act(event: Any, ctx: RunnerContext) -> None:
        raise ValueError(event.input)

    env, _ = environment(act, 8, on_error="ignore")
    env.execute()
    place = f"{__file__}:{act.__code__.co_firstlineno + 1} in act"
    (warning,) = warnings(caplog)
    assert warning.startswith("8 failed and ignored, first input ")
    assert warning.endswith(f"({place})")
