"""Stacks as different programs write them, made into the same data and the same text."""

from __future__ import annotations

import re
import time
from typing import Any

from tamias.console.stacks.stacks import WorkerStacks, threads_of_dump, threads_of_py_spy

DUMP = """Thread 0x00007f01 (most recent call first):
  File "/lib/threading.py", line 331 in wait
  File "/env/tamias/worker/profiling/profiler.py", line 12 in _run

Current thread 0x00007f02 (most recent call first):
  File "/app/agent.py", line 7 in ask
  File "/app/agent.py", line 3 in work
  File "/env/tamias/worker/engine/engine.py", line 290 in _run_simply
  File "<string>", line 1 in <module>

Task 'Task-2' of input 5 (most recent call last):
  File "/app/agent.py", line 9, in wait_long
End of stacks.
"""


def py_spy_frame(name: str, file: str, line: int) -> dict[str, Any]:
    """A frame as `py-spy dump --json` has it."""
    return {"name": name, "filename": file, "line": line}


def test_threads_that_a_signal_handler_has_written() -> None:
    threads, tasks = threads_of_dump(DUMP)
    (thread,) = threads  # not that of the profiler
    assert [frame["function"] for frame in thread["frames"]] == [
        *("<module>", "_run_simply", "work", "ask"),
    ]
    assert thread["frames"][-1]["line"] == 7
    assert tasks.startswith("Task 'Task-2' of input 5")
    assert "End of stacks" not in tasks


def test_of_two_dumps_in_the_file_the_last_one_counts() -> None:
    first = DUMP.partition("\nTask ")[0]
    threads, _ = threads_of_dump(first + "\n" + first.replace("line 7 in ask", "line 8 in tell"))
    assert [thread["frames"][-1]["function"] for thread in threads] == ["tell"]
    assert threads_of_dump("") == ([], "")


def test_threads_that_py_spy_has_seen_the_main_one_first() -> None:
    found = [
        {"thread_name": "tamias-profiler", "os_thread_id": 3, "owns_gil": False, "frames": []},
        {
            "thread_name": "pool_0",
            "os_thread_id": 2,
            "owns_gil": False,
            "frames": [py_spy_frame("_worker", "thread.py", 81)],
        },
        {
            "thread_name": "MainThread",
            "os_thread_id": 1,
            "owns_gil": True,
            "frames": [
                py_spy_frame("work", "/app/agent.py", 3),
                py_spy_frame("_run_simply", "/env/worker/engine/engine.py", 290),
            ],
        },
    ]
    main, other = threads_of_py_spy(found)
    assert (main["name"], main["native_id"], main["idle"], main["owns_gil"]) == (
        *("MainThread", 1, False, True),
    )
    assert [frame["function"] for frame in main["frames"]] == ["_run_simply", "work"]
    assert other["idle"]


def test_as_text_what_is_around_an_action_is_left_out() -> None:
    threads, _ = threads_of_dump(DUMP)
    threads[0].update(offset=5, key="'k1'", action="work")
    serving = {"function": "serve", "file": "/env/worker/process/worker.py", "line": 1}
    own = {"name": "Task-1", "offset": None, "frames": [{**serving, "source": ""}]}
    found = WorkerStacks(3, 77, "running", "worker", threads=threads, tasks=[own])
    assert found.text().splitlines() == [
        "Worker 3, process 77: running",
        "",
        "Thread 0x00007f02: input 5, key 'k1', action work",
        '  File "/app/agent.py", line 3, in work',
        '  File "/app/agent.py", line 7, in ask',
    ]
    assert len(found.to_json()["threads"][0]["frames"]) == 4


def test_a_worker_without_stacks_shows_its_threads_in_the_kernel_and_why() -> None:
    kernel = {"native_id": 77, "name": "python", "state": "stopped", "kernel": "do_signal_stop"}
    executing = [{"offset": 4, "key": "'k'", "action": "work", "since": time.time() - 12}]
    found = WorkerStacks(
        *(0, 77, "stopped", ""), notes=["it is stopped"], kernel=[kernel], executing=executing
    )
    text = found.text()
    assert "it is stopped" in text
    assert re.search("executes input 4, key 'k', action work, for 1[23] s", text)
    assert "thread 77 (python): stopped, in do_signal_stop" in text
