"""Another user of the machine can neither read, stall nor steer a pool."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from support.cli import Folder, wait_for
from tamias.agent.errors import JvmError
from tamias.bridge.jvm.jvm_access import SharedJvm
from tamias.bridge.jvm.settings import JvmCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

INTRUDER = Path(__file__).parents[1] / "support" / "fire" / "intruder.py"
COMMAND = ("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", sys.executable)

AGENT = """
import time
from tamias import Agent, InputEvent, OutputEvent, action


class Slow(Agent):
    @action(InputEvent)
    @staticmethod
    def act(event, ctx):
        time.sleep(0.005)
        ctx.send_event(OutputEvent(output=event.input["value"]))
"""


def _is_possible() -> bool:
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return False
    probe = [*COMMAND, "-c", "import json"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif("not _is_possible()", reason="only root can be another user"),
]


def intrude(*arguments: object) -> subprocess.Popen[str]:
    """Start the intruder as another user."""
    words = [*COMMAND, "-", *map(str, arguments)]
    intruder = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert intruder.stdin is not None
    intruder.stdin.write(INTRUDER.read_text(encoding="utf-8"))
    intruder.stdin.close()
    return intruder


def result(intruder: subprocess.Popen[str]) -> dict[str, Any]:
    """What the intruder writes next."""
    assert intruder.stdout is not None
    found: dict[str, Any] = json.loads(intruder.stdout.readline())
    return found


@pytest.fixture
def folder() -> Iterator[Folder]:
    """A folder that others may enter; all of pytest's are closed by each session that begins."""
    with tempfile.TemporaryDirectory(prefix="tamias-others-") as name:
        path = Path(name)
        path.chmod(0o755)
        (path / "slow.py").write_text(AGENT)
        lines = [json.dumps({"key": f"k{n % 50}", "value": n}) + "\n" for n in range(1000)]
        (path / "in.jsonl").write_text("".join(lines))
        yield Folder(path)


@pytest.fixture(params=["direct", pytest.param("zeromq", marks=pytest.mark.nightly)])
def launcher(folder: Folder, request: pytest.FixtureRequest) -> Iterator[psutil.Process]:
    words = ("run", "slow.py:Slow", "-i", "in.jsonl", "-o", "out.jsonl", "--key", "key", "-w", 2)
    with folder.started(*words, "--set", f"transport={request.param}") as process:
        output = folder.path / "out.jsonl"
        wait_for(lambda: output.exists() and output.stat().st_size > 0)
        yield psutil.Process(process.pid)
        if process.poll() is None:
            assert process.wait(60) == 0
            assert len(output.read_text().splitlines()) == 1000


def test_a_flood_does_not_reach_the_launcher(launcher: psutil.Process) -> None:
    before = launcher.memory_info().rss
    with intrude("flood", 1.0, launcher.pid) as intruder:
        flooded = result(intruder)
    assert flooded["uid"] != 0
    assert flooded["sockets"] == 1
    assert flooded["connected"] > 0
    assert launcher.memory_info().rss - before < 64 << 20


def test_workers_never_talk_to_a_stranger_who_takes_the_launchers_name(
    launcher: psutil.Process,
) -> None:
    below = launcher.children(recursive=True)
    workers = [each for each in below if " ".join(each.cmdline()).startswith("tamias worker")]
    zygotes = [each for each in below if each not in workers]
    assert workers
    assert zygotes
    with intrude("squat", 1.5, launcher.pid) as intruder:
        time.sleep(0.5)  # it has found the name
        for zygote in zygotes:
            zygote.send_signal(signal.SIGSTOP)  # the workers outlive the launcher for a while
        launcher.send_signal(signal.SIGKILL)
        found = result(intruder)
    for zygote in zygotes:
        if zygote.is_running():
            zygote.send_signal(signal.SIGCONT)
    assert found == {"uid": found["uid"], "bound": 1, "messages": 0}
    psutil.wait_procs(workers, timeout=60)
    assert not any(worker.is_running() for worker in workers)


def test_the_state_directory_is_not_readable(folder: Folder) -> None:
    state = folder.path / "state"
    folder.tamias(
        *("run", "slow.py:Slow", "-i", "in.jsonl", "-o", "out.jsonl", "--key", "key"),
        *("--state", state, "--workers", 2),
    )
    parts = [state, state / "tamias.json", *state.glob("shards/*/data.mdb")]
    with intrude("read", folder.path / "in.jsonl", *parts) as intruder:
        assert result(intruder)["readable"] == [str(folder.path / "in.jsonl")]
    assert state.stat().st_mode & 0o777 == 0o700


def test_a_stranger_who_has_taken_the_name_of_the_jvm_is_not_believed() -> None:
    jvm = SharedJvm(JvmCommand(["false"], hang_timeout=1.0))
    with intrude("bind", jvm._name) as intruder:
        assert result(intruder)["bound"] == jvm._name
        with pytest.raises(JvmError, match="has taken the name of this pool's JVM"):
            jvm.address()
        assert result(intruder)["asked"] == ""
