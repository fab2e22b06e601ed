"""The clock of timers: that of the machine, and how tests move it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tamias.store import clock

if TYPE_CHECKING:
    from pathlib import Path

_SHOWS = "from tamias.store import clock; import time; print(round(clock.now() - time.time()))"


def test_it_is_the_clock_of_the_machine_until_it_is_moved() -> None:
    before = clock.now() - time.time()
    assert abs(before) < 1
    clock.advance(3600)
    try:
        assert abs(clock.now() - time.time() - 3600) < 1
    finally:
        clock.advance(-3600)


@pytest.mark.process
def test_processes_share_it_by_a_file(tmp_path: Path) -> None:
    shared = {**os.environ, "TAMIAS_CLOCK": str(tmp_path / "clock")}
    moves = "from tamias.store import clock; clock.advance(86400)"
    subprocess.run([sys.executable, "-c", moves], env=shared, check=True)
    shown = subprocess.run(
        [sys.executable, "-c", _SHOWS], env=shared, check=True, capture_output=True, text=True
    )
    assert shown.stdout == "86400\n"
