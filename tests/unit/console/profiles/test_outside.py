"""What py-spy and memray write, made into profiles with actions as the workers' own have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.console.profiles.memory import profile_of_file
from tamias.console.profiles.outside import actions_in, profile_of_raw
from tamias.console.profiles.table import as_table
from tamias.worker.profiling.memory import MemoryTracking
from tamias.worker.profiling.profile import Frame, Profile
from tamias.worker.profiling.recording import Stretch, StretchFile

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = "Engine._run_simply (/env/tamias/worker/engine/engine.py:251)"
RAW = f"""thread (1): MainThread;<module> (<string>:1);{ENGINE};Busy.work (/app/agent.py:10) 30
thread (1): MainThread;{ENGINE};Busy.work (/app/agent.py:10);spin (/app/agent.py:4) 60
thread (1): MainThread;{ENGINE};__missing__ (/env/tamias/worker/runs/lane.py:255) 5
thread (1): MainThread;_serve (/env/tamias/worker/process/running.py:70) 5
thread (2): pool;_worker (/lib/concurrent/futures/thread.py:69) 100
thread (3): tamias-profiler;_run (/env/tamias/worker/profiling/profiler.py:150) 100
what is no line
"""
WORK, SPIN = Frame("Busy.work", "/app/agent.py", 10), Frame("spin", "/app/agent.py", 4)


def test_actions_are_named_as_the_record_has_them_or_by_their_functions() -> None:
    known, count = profile_of_raw(RAW, 10, {("/app/agent.py", 10): "price"})
    assert known.seconds[Frame("action price"), WORK] == 3.0
    assert known.seconds[Frame("action price"), WORK, SPIN] == 6.0
    assert count == 100
    other, _ = profile_of_raw(RAW, 10, {})
    assert other.seconds[Frame("action work"), WORK] == 3.0


def test_what_waits_is_idle_and_the_profiler_is_left_out() -> None:
    found, _ = profile_of_raw(RAW, 10, {})
    assert found.seconds[(Frame("(idle)"),)] == 0.5
    roots = {stack[0].name for stack in found.seconds}
    assert roots == {"action work", "(worker)", "(idle)"}
    assert "profiler" not in str(found.seconds)
    nothing, count = profile_of_raw("", 10, {})
    assert (nothing.seconds, count) == ({}, 0)


def test_actions_are_found_in_the_record_of_a_slot(tmp_path: Path) -> None:
    wall = Profile({(Frame("action price"), WORK, SPIN): 1.0, (Frame("(idle)"),): 1.0})
    path = tmp_path / "worker-0.jsonl"
    StretchFile(path).append(Stretch(1.0, 1.0, 0, 1, 0, 2, wall, Profile(), Profile()))
    assert actions_in(path) == {("/app/agent.py", 10): "price"}


def test_memory_that_is_held_is_counted_by_stack_and_what_is_freed_is_not(tmp_path: Path) -> None:
    pytest.importorskip("memray")
    path = tmp_path / "tracked"
    tracking = MemoryTracking(path)
    tracking.start()
    kept = bytearray(3_000_000)
    bytearray(5_000_000)
    tracking.stop()
    held, peak = profile_of_file(path, "held"), profile_of_file(path, "peak")
    assert 3_000_000 <= held.total < 4_000_000
    assert peak.total >= 8_000_000
    largest = max(held.own(), key=lambda frame: held.own()[frame])
    assert largest.file == __file__
    text = as_table(held, "memory", unit="B")
    assert "MiB" in text
    assert "test_outside.py" in text
    del kept


def test_a_profile_of_nothing_says_what_that_means() -> None:
    assert "waited for work" in as_table(Profile({(Frame("(idle)"),): 3.0}), "t")
    assert "nothing of that was executed" in as_table(Profile(), "t")
    assert "nothing was allocated" in as_table(Profile(), "t", unit="B")
