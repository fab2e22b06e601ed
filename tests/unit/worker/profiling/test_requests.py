"""What a worker does when it is asked: stacks, profiles of keys, several at once, full disks."""

from __future__ import annotations

import asyncio
import errno
import json
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tamias.store.encoding.keys import encode_key
from tamias.worker.beacon import Beacon
from tamias.worker.profiling import recording
from tamias.worker.profiling.profile import Frame
from tamias.worker.profiling.profiler import Profiler
from tamias.worker.profiling.recording import Request, Stretch, remove_old, stretches_in
from tamias.worker.profiling.sampler import Sampler, action_codes
from tamias.worker.tasks.executing import offsets_of_threads

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


def work(until: threading.Event, offset: int) -> None:
    """An action, on a thread as those of pools are."""
    offsets_of_threads[threading.get_ident()] = offset
    while not until.is_set():
        sum(range(100))


@contextmanager
def profiled(folder: Path, hz: float = 50) -> Iterator[Profiler]:
    """A process with two threads that execute an action, for the keys "a" and "b"."""
    loop, until = asyncio.new_event_loop(), threading.Event()
    threads = [threading.Thread(target=work, args=(until, offset)) for offset in (1, 2)]
    for thread in threads:
        thread.start()
    profiler = Profiler(Sampler(action_codes({"price": work})), loop, folder, 3, 1, hz=hz)
    keys = {1: encode_key("a"), 2: b"g\x00\x05" + encode_key("b")}  # one as in Flink
    profiler.know(Beacon(), lambda number: ("price", keys[number]) if number in keys else None)
    profiler.start()
    try:
        yield profiler
    finally:
        profiler.stop()
        until.set()
        for thread in threads:
            thread.join()
        offsets_of_threads.clear()
        loop.close()


def answer(folder: Path, request: Request) -> Any:
    """Ask, and wait for the answer."""
    request.write(folder)
    path = request.answer(folder, 3)
    while not path.exists():
        time.sleep(0.01)
    return json.loads(path.read_bytes())


def asked(**settings: Any) -> Request:
    """A request with a name of its own."""
    name = f"r{time.monotonic_ns()}"
    return Request(name, 100, settings.pop("seconds", 0.2), until=time.time() + 60, **settings)


def test_stacks_say_for_which_input_action_and_key_a_thread_works(tmp_path: Path) -> None:
    with profiled(tmp_path):
        found = answer(tmp_path, asked(kind="stacks", seconds=0))
    of_runs = {each["offset"]: each for each in found["threads"] if each["offset"] is not None}
    assert {each["key"] for each in of_runs.values()} == {"'a'", "'b'"}
    assert {each["action"] for each in of_runs.values()} == {"price"}
    assert of_runs[1]["frames"][-1]["function"].endswith(("work", "<genexpr>"))
    assert "tamias-profiler" not in {each["name"] for each in found["threads"]}


def test_a_profile_of_one_key_has_only_that_and_keys_are_frames(tmp_path: Path) -> None:
    with profiled(tmp_path, hz=0):
        one = answer(tmp_path, asked(keys=True, only=[encode_key("b").hex()]))
        both = answer(tmp_path, asked(keys=True))
    assert [frame[0] for frame in one["wall"]["frames"]][:2] == ["action price", "key 'b'"]
    names = {frame[0] for frame in both["wall"]["frames"]}
    assert {"key 'a'", "key 'b'"} <= names


def test_several_are_asked_at_once_and_the_record_goes_on(tmp_path: Path) -> None:
    with profiled(tmp_path) as profiler:
        long, short = asked(seconds=600), asked(seconds=0.3)
        long.write(tmp_path)
        found = Stretch.decode(json.dumps(answer(tmp_path, short)).encode())
        assert not long.answer(tmp_path, 3).exists()
        assert profiler.failures == 0
    assert found.count > 0
    assert Stretch.decode(long.answer(tmp_path, 3).read_bytes()).count >= found.count
    recorded = list(stretches_in(tmp_path / "worker-3.jsonl"))
    assert all(Frame("action price") in each.wall.inclusive() for each in recorded)


def test_a_full_disk_is_counted_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with profiled(tmp_path) as profiler:
        monkeypatch.setattr(recording.StretchFile, "_append", full)
        while not profiler.failures:
            time.sleep(0.01)
        monkeypatch.undo()
        before = profiler.failures
        request = asked(kind="stacks", seconds=0)
        assert answer(tmp_path, request)["threads"]
        while not list(stretches_in(tmp_path / "worker-3.jsonl")):
            time.sleep(0.01)  # it goes on when there is room again
    assert profiler.failures == before


def test_what_dead_programs_have_left_is_removed_later(tmp_path: Path) -> None:
    old, new = asked(), asked()
    for request in (old, new):
        request.write(tmp_path)
        request.answer(tmp_path, 3).write_text("{}")
    remove_old(tmp_path, time.time())
    assert len(list((tmp_path / "answers").iterdir())) == 2
    remove_old(tmp_path, time.time() + 1000)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_an_answer_that_nothing_waits_for_is_not_written(tmp_path: Path) -> None:
    request = asked()
    request.write(tmp_path)
    request.remove(tmp_path)
    recording.write_answer(request, tmp_path, 3, b"{}")
    assert not request.answer(tmp_path, 3).exists()
