"""What a program shows of its job on stderr: the progress on request, and a word on Ctrl-C."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from support.cli import wait_for

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = """
import sys
import time
from pathlib import Path

from tamias import Agent, AgentsExecutionEnvironment, InputEvent, OutputEvent, action


class Waits(Agent):
    @action(InputEvent)
    @staticmethod
    def wait(event, ctx):
        Path("begun").touch()
        while not Path("go").exists():
            time.sleep(0.005)
        ctx.send_event(OutputEvent(output=event.input))


if __name__ == "__main__":
    env = AgentsExecutionEnvironment.get_execution_environment(workers=1)
    env.get_config().set_bool("progress", "--progress" in sys.argv)
    env.from_list([{"key": 1, "value": 1}]).apply(Waits()).to_list()
    env.execute("nightly totals")
"""


def start(folder: Path, *arguments: str, stderr: int) -> subprocess.Popen[bytes]:
    (folder / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, "program.py", *arguments], cwd=folder, stderr=stderr, env={**os.environ}
    )
    wait_for((folder / "begun").exists)
    return process


def test_ctrl_c_is_answered_and_the_program_learns_what_became_of_its_job(tmp_path: Path) -> None:
    with start(tmp_path, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == (
            b"stopping after 1 run that is executed; interrupt again to stop at once\n"
        )
        (tmp_path / "go").touch()
        rest = process.stderr.read().decode()
    assert "The job was interrupted after 1 inputs." in rest
    assert "stopping after" not in rest


def test_the_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    chunks: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end is closed
            while chunk := os.read(ours, 1 << 16):
                chunks.append(chunk)

    reading = threading.Thread(target=read)  # from the beginning: a terminal that is full blocks
    reading.start()
    with start(tmp_path, "--progress", stderr=theirs) as process:
        os.close(theirs)
        (tmp_path / "go").touch()
    reading.join()
    os.close(ours)
    shown = b"".join(chunks)
    assert process.returncode == 0
    assert b"nightly totals" in shown
    assert b"1 done" in shown
