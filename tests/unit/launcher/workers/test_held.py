"""Where a worker stands still, from the stacks that it has written."""

from __future__ import annotations

from pathlib import Path

import tamias
from tamias.launcher.workers.held import held_place, held_stack, own_frames

WORKER = Path(tamias.__file__).parent / "worker"
DUMP = f"""Thread 0x00007f01 (most recent call first):
  File "/usr/lib/python3/threading.py", line 1 in wait

Current thread 0x00007f02 (most recent call first):
  File "/home/a/agent.py", line 3 in deep
  File "/home/a/agent.py", line 8 in act
  File "{WORKER}/engine/run_driver.py", line 126 in _call
  File "{WORKER}/process/worker.py", line 96 in run_worker

Task 'main' (most recent call last):
"""


def test_the_function_of_the_action_and_where_it_is_now() -> None:
    stack = held_stack(DUMP)
    assert len(stack) == 4
    assert len(own_frames(stack)) == 2
    assert held_place(stack) == "in act (agent.py:8), now in deep (agent.py:3)"
    assert held_place(stack[1:]) == "in act (agent.py:8)"


def test_what_is_not_there_is_not_said() -> None:
    assert held_stack("") == held_stack("Current thread 0x1 (most recent call first):\n") == []
    assert held_place([]) == ""
    assert held_place(held_stack(DUMP)[2:]) == ""
    assert own_frames(held_stack(DUMP)[2:]) == held_stack(DUMP)[2:]
