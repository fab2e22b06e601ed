"""A zygote whose launcher has died: it ends, and says nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.process

PROGRAM = """
import socket, sys
from tamias.worker.process.zygote import Zygote
launcher, control = socket.socketpair()
control.sendall(b"what the launcher has not read")
launcher.close()  # so what the zygote reads is no end, but a reset
getattr(Zygote(control, spawn=False), sys.argv[1])()
print("it goes on")
"""


@pytest.mark.parametrize(("method", "code"), [("_receive", 0), ("_read_line", 1)])
def test_a_launcher_that_died_before_it_read_all(method: str, code: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, method], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
