"""Whatever importing the agent does to its process: deaths are seen, and nothing hangs or stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.cli import wait_for
from support.launcher.trouble import Job
from tamias.agent.errors import TargetError, WorkerStartError
from tamias.launcher.workers import deaths, zygote

AGENT = """
from tamias import Agent, InputEvent, OutputEvent, action
class A(Agent):
    @action(InputEvent)
    @staticmethod
    def go(event, ctx):
        import contextlib, ctypes, os
        if event.input == "crash":
            with contextlib.suppress(Exception):
                print("the last words")
            ctypes.CDLL(None).puts(b"the last words of native code")
            os.kill(os.getpid(), 11)
        ctx.send_event(OutputEvent(output=event.input))
"""

HARMLESS = {
    "ignores SIGCHLD": "import signal; signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
    "handles SIGCHLD, and blocks all signals": (
        "import signal\n"
        "signal.signal(signal.SIGCHLD, lambda *_: None); signal.set_wakeup_fd(-1)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())"
    ),
    "runs an event loop with signal handlers and a process": (
        "import asyncio, signal\n"
        "async def main():\n"
        "    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, print)\n"
        "    await (await asyncio.create_subprocess_exec('true')).wait()\n"
        "asyncio.run(main())"
    ),
    "runs uvloop with a process": (
        "import asyncio, uvloop\n"
        "async def main():\n"
        "    await (await asyncio.create_subprocess_exec('true')).wait()\n"
        "loop = uvloop.new_event_loop(); loop.run_until_complete(main()); loop.close()"
    ),
    "replaces functions, as gevent does": (
        "import os, select, signal\n"
        "def wrong(*_): raise AssertionError('called')\n"
        "os.fork = os.waitpid = select.poll = select.select = signal.signal = wrong"
    ),
    "sets a timer": "import signal; signal.setitimer(signal.ITIMER_REAL, 0.3)",
    "forks a child that comes back": "import os; os.fork()",
    "has no stdout": "import sys; sys.stdout = sys.stderr = None",
    "closes and detaches streams": "import sys; sys.stdout.close(); sys.stderr.detach()",
    "has streams that do not flush": (
        "import sys\n"
        "class Stream:\n"
        "    def write(self, text): raise KeyError(text)\n"
        "sys.stdout = sys.stderr = Stream()"
    ),
    "closes the standard descriptors": "import os; [os.close(number) for number in range(3)]",
}


@pytest.fixture
def job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Job:
    return Job(tmp_path, caplog)


def run(job: Job, imports: str, crash: int | None = 7, **settings: Any) -> None:
    path = job.write("agent.py", f"{imports}\n{AGENT}")
    specials = {} if crash is None else {crash: "crash"}
    job.run(specials, 20, target=f"{path}:A", max_attempts=1, **settings)


def test_what_is_printed_before_a_crash_is_in_the_log(job: Job) -> None:
    run(job, "")
    assert "the last words\n" in job.log
    assert "the last words of native code\n" in job.log


@pytest.mark.parametrize("imports", HARMLESS.values(), ids=HARMLESS)
def test_an_import_that_does_not_matter_to_deaths_and_outputs(job: Job, imports: str) -> None:
    run(job, imports)
    assert job.causes() == {7: "crash"}
    assert job.dead[7].signal == signal.SIGSEGV


@pytest.mark.parametrize("method", ["zygote", "spawn"])
def test_a_thread_that_collects_all_children(job: Job, method: str) -> None:
    run(
        job,
        "import os, threading, time\n"
        "def collect():\n"
        "    while True:\n"
        "        try: os.waitpid(-1, 0)\n"
        "        except ChildProcessError: time.sleep(0.001)\n"
        "threading.Thread(target=collect, daemon=True, name='collector').start()",
        start_method=method,
    )
    assert job.causes() == {7: "crash"}
    assert ("has made the thread 'collector'" in job.said) == (method == "zygote")


def test_a_zygote_that_reports_no_death(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deaths, "REPORT_SECONDS", 0.1)
    run(job, "from tamias.worker.process.zygote import Zygote; Zygote._collect = lambda self: None")
    assert job.causes() == {7: "crash"}
    assert "died, and other code in its zygote has taken its exit status" in job.said


def test_a_zygote_that_cannot_fork(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zygote, "FORK_SECONDS", 0.2)
    with pytest.raises(WorkerStartError, match="it did not fork a worker") as caught:
        run(
            job,
            "import os, threading\n"
            "lock = threading.Lock(); lock.acquire()\n"
            "os.register_at_fork(before=lock.acquire)",
        )
    assert "start-method to spawn" in caught.value.hint


@pytest.mark.parametrize(
    "imports", ["os.closerange(3, 200)", "os.execvp('sleep', ['sleep', '60'])"]
)
def test_an_import_that_takes_the_zygote_away(job: Job, imports: str) -> None:
    with pytest.raises(WorkerStartError, match="lost its descriptors, or became another program"):
        run(job, f"import os; {imports}")


def test_connections_of_an_import_are_named(job: Job) -> None:
    run(
        job,
        "import socket\n"
        "listener = socket.create_server(('127.0.0.1', 0))\n"
        "client = socket.create_connection(listener.getsockname())",
        crash=None,
    )
    assert "has made a connection to 127.0.0.1:" in job.said
    assert "start-method to spawn" in job.said


def test_replaced_threads_fail_the_calls_that_need_them(job: Job) -> None:
    path = job.write(
        "agent.py",
        "import threading\n"
        "threading._start_new_thread = threading._start_joinable_thread = print\n"
        "from tamias import Agent, InputEvent, OutputEvent, action\n"
        "class A(Agent):\n"
        "    @action(InputEvent)\n"
        "    @staticmethod\n"
        "    async def go(event, ctx):\n"
        "        call = ctx.durable_execute_async if event.input == 'thread' else None\n"
        "        value = await call(str, 1) if call else ctx.durable_execute(str, 1)\n"
        "        ctx.send_event(OutputEvent(output=value))\n",
    )
    job.run({3: "thread"}, 10, target=f"{path}:A", max_attempts=1, durability="machine")
    assert "has replaced Python's threads" in job.dead[3].error


EXECUTE = """
from tamias import AgentsExecutionEnvironment
environment = AgentsExecutionEnvironment.get_execution_environment()
environment.from_list([{"key": 1, "value": 1}]).apply(A()).to_list()
environment.execute()
"""


@pytest.mark.parametrize("method", ["zygote", "spawn"])
def test_a_pool_in_the_import_is_refused_with_the_line_to_write(job: Job, method: str) -> None:
    path = job.write("agent.py", AGENT + EXECUTE)
    with pytest.raises(TargetError, match="UsageError: execute\\(\\) was called") as caught:
        job.run({}, target=f"{path}:A", start_method=method)
    line = (AGENT + EXECUTE).splitlines().index("environment.execute()") + 1
    assert f"{path}, line {line}," in caught.value.hint
    assert caught.value.hint.endswith('if __name__ == "__main__":')


def test_a_command_in_the_import_is_refused(job: Job) -> None:
    command = [str(Path(sys.executable).with_name("tamias")), "run", "agent.py:A", "-i", "in.jsonl"]
    run(
        job,
        "import subprocess\n"
        f"done = subprocess.run({command}, capture_output=True, text=True)\n"
        "assert done.returncode == 2, done\n"
        "assert 'A command of tamias was called while a pool imports' in done.stderr, done",
        crash=None,
    )
    assert len(job.lines) == 20


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("queue", "zygote"),
        ("json", "zygote"),
        ("lmdb", "zygote"),
        ("tamias", "zygote"),
        ("queue", "spawn"),
    ],
)
def test_a_file_with_the_name_of_another_module_is_not_imported(
    job: Job, monkeypatch: pytest.MonkeyPatch, name: str, method: str
) -> None:
    monkeypatch.chdir(job.directory)
    job.write(f"{name}.py", "raise AssertionError('imported')")
    run(job, "", crash=None, start_method=method)


@pytest.mark.parametrize(
    ("name", "imports", "says"),
    [
        ("queue", "from queue import mine", "is not imported, because another module queue"),
        ("json", "import json; json.mine()", "is not imported, because another module json"),
        ("lmdb", "import lmdb; lmdb.mine", "is not imported, because another module lmdb"),
        ("wave", "from wave import Wave_read", "hides the module wave of Python"),
    ],
)
def test_an_error_that_comes_of_a_name_names_the_file(
    job: Job, name: str, imports: str, says: str
) -> None:
    file = job.write(f"{name}.py", "mine = 1\n")
    with pytest.raises(TargetError) as caught:
        run(job, imports)
    assert f"{file} {says}" in caught.value.hint


DAEMON = """
import subprocess, sys
subprocess.run(["setsid", "-f", "sleep", "61"], check=True)
"""


def daemons(mark: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.name() == "sleep" and process.environ().get("MARK") == mark:
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize("end", ["in order", "killed"])
@pytest.mark.parametrize("method", ["zygote", "spawn"])
def test_no_daemon_outlives_the_pool(job: Job, end: str, method: str) -> None:
    agent = AGENT.replace(
        "        import contextlib", DAEMON.replace("\n", "\n        ") + "import contextlib"
    )
    path = job.write("agent.py", DAEMON + agent)
    mark = str(job.directory)
    command = [str(Path(sys.executable).with_name("tamias")), "run", f"{path}:A", "-w", "1"]
    with subprocess.Popen(
        [*command, "--set", f"start-method={method}", "-i", "-", "-o", "out.jsonl"],
        cwd=job.directory,
        env={**os.environ, "MARK": mark},
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(b'{"key": 1, "value": 2}\n')
        process.stdin.flush()
        wait_for(lambda: len(daemons(mark)) >= 2)  # of the import, and of the action
        if end == "killed":
            process.kill()
    wait_for(lambda: daemons(mark) == [])
