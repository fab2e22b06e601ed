"""What the reaper leaves behind."""

from __future__ import annotations

import subprocess
import sys

import pytest

_DIES_DURING_THE_LOOK = """
import os, signal, time
from tamias.worker.process import reaper

child = os.fork()
if child == 0:
    time.sleep(600)
look = reaper.descendants

def dies_meanwhile(pid):
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    return look(pid)

reaper.descendants = dies_meanwhile
reaper.kill_descendants()
try:
    os.waitpid(child, 0)
except ChildProcessError:
    print("collected")
"""


@pytest.mark.process
def test_a_process_that_dies_while_it_is_looked_for_is_collected() -> None:
    # What nobody has collected when the reaper exits, counts in no one's CPU time.
    command = [sys.executable, "-c", _DIES_DURING_THE_LOOK]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "collected\n", done.stderr
