"""Samples of real threads and tasks."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from support.loops import on_loop
from tamias.worker.profiling.profile import Frame
from tamias.worker.profiling.profiler import Profiler
from tamias.worker.profiling.recording import Request, Stretch, stretches_in
from tamias.worker.profiling.sampler import Sampler, Samples, action_codes, period_after, share_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def spin(until: threading.Event) -> None:
    """Use CPU time."""
    while not until.is_set():
        sum(range(100))


def work(until: threading.Event) -> None:
    """An action."""
    spin(until)


async def wait_long(event: object, ctx: object) -> None:
    """An asynchronous action."""
    del event, ctx
    await inner()


async def inner() -> None:
    """What it awaits."""
    await asyncio.sleep(3600)


def sampled(function: Callable[..., Any], actions: dict[str, Any], times: int = 30) -> Samples:
    """Samples of a thread that executes a function, and of this one, which samples."""
    until = threading.Event()
    thread = threading.Thread(target=function, args=(until,), name="busy")
    thread.start()
    try:
        sampler = Sampler(action_codes(actions))
        samples = Samples()
        sampler.start()
        for _ in range(times):
            time.sleep(0.005)
            samples.add_threads(sampler.sample())
    finally:
        until.set()
        thread.join()
    return samples


def test_frames_around_an_action_are_replaced_by_its_name() -> None:
    seconds = sampled(work, {"price": work}).wall.seconds
    stacks = [stack for stack in seconds if "work" in {frame.name for frame in stack}]
    assert {stack[0] for stack in stacks} == {Frame("action price")}
    assert {stack[1].name for stack in stacks} == {"work"}
    assert "spin" in {frame.name for stack in stacks for frame in stack}


def test_what_is_in_no_action_is_below_its_thread_and_has_its_time() -> None:
    samples = sampled(spin, {})
    busy = {stack: time for stack, time in samples.wall.seconds.items() if "spin" in str(stack)}
    assert {stack[0] for stack in busy} == {Frame("(thread busy)")}
    assert sum(samples.cpu.seconds.values()) > 0


def test_a_thread_that_waits_for_work_is_idle() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "pool") as pool:
        pool.submit(int).result()
        sampler, samples = Sampler({}), Samples()
        sampler.start()
        samples.add_threads(sampler.sample())
    assert any(stack[0] == Frame("(idle)") for stack in samples.wall.seconds)


@on_loop
async def test_of_a_task_that_waits_the_chain_of_its_coroutines_is_seen() -> None:
    task = asyncio.create_task(wait_long(None, None))
    await asyncio.sleep(0)
    sampler, samples = Sampler(action_codes({"ask": wait_long})), Samples()
    seen = await asyncio.to_thread(sampler.sample_tasks, asyncio.get_running_loop(), 2.0)
    samples.add_tasks(seen)
    task.cancel()
    (stack,) = samples.waits.seconds
    assert [frame.name.rpartition(".")[2] for frame in stack[:3]] == [
        "action ask",
        "wait_long",
        "inner",
    ]
    assert samples.waits.total == 2.0


def test_a_sampler_that_takes_too_much_slows_down_to_a_bound_and_recovers() -> None:
    period = 0.05
    assert period_after(period, 0.005, 0.05) == 0.05
    for share, slower in ((0.02, 0.1), (0.011, 0.2), (0.5, 0.4), (0.5, 0.8), (0.5, 1), (0.5, 1)):
        period = period_after(period, share, 0.05)
        assert period == slower
    assert period_after(period, 0.009, 0.05) == 1.0
    for _ in range(5):
        period = period_after(period, 0.0001, 0.05)
    assert period == 0.05
    assert period_after(2.0, 0.5, 2.0) == 2.0  # one that was asked to sample that seldom


@pytest.mark.parametrize(
    ("used", "share"),
    [(1.0, 0.004), (0.4, 0.01), (0.1, 0.016), (0.0, 0.016)],
    ids=["busy", "half", "waits for a processor", "idle"],
)
def test_what_sampling_takes_is_a_share_of_what_the_process_gets(used: float, share: float) -> None:
    assert share_of(0.004, used, 1.0) == pytest.approx(share)
    assert share_of(0.0, used, 0.0) == 0.0


def test_a_profiler_records_and_answers_requests(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    until = threading.Event()
    thread = threading.Thread(target=work, args=(until,))
    thread.start()
    profiler = Profiler(
        Sampler(action_codes({"price": work})), loop, tmp_path, slot=4, generation=2, hz=50
    )
    profiler.start()
    try:
        request = Request("r", 200, 0.2, slot=4, action="price", until=time.time() + 30)
        request.write(tmp_path)
        answer = request.answer(tmp_path, 4)
        while not answer.exists():
            time.sleep(0.01)
        found = Stretch.decode(answer.read_bytes())
    finally:
        profiler.stop()
        until.set()
        thread.join()
        loop.close()
    assert (found.slot, found.generation) == (4, 2)
    assert {stack[0] for stack in found.wall.seconds} == {Frame("action price")}
    recorded = list(stretches_in(tmp_path / "worker-4.jsonl"))
    assert sum(stretch.count for stretch in recorded) > 0
