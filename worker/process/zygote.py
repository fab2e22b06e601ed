"""The zygote: a warm interpreter that forks workers.

A generation has one, started with `exec` so that nothing of the launcher leaks into it. It imports
the agent and everything a worker needs, freezes the heap, and then only waits: with one thread, no
ZeroMQ context and no open store, so that a fork copies nothing that must not be copied. A fork
costs milliseconds where a new interpreter costs hundreds of them.

Its control socket carries JSON lines. From the launcher: first a `Boot`, then
`{"fork": Assignment}` any number of times, at last `{"leave": true}`. To the launcher:
`{"ready": {...}}` or `{"failed": {...}}`, `{"forked": pid, ...}`, `{"exit": pid, "status": n}`.

When the control socket closes, the launcher is dead. Then the zygote kills every worker with all
processes that it has started, removes the launcher's temporary files, and exits.

A *guardian* is a zygote that does not import the agent: its worker does that itself, after the
fork. This is the start method `spawn`, for agents whose imports do not survive a fork. A guardian
has one worker and only cleans up after it: neither a killed worker nor a killed launcher can do
that.

    python -m tamias.worker.process.zygote FD [guardian]
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import setproctitle

from ...agent.config.options import PoolOptions
from ...agent.failures.error_json import error_to_json
from ...agent.hooks import find_hooks
from ...store.crashpoints import reach
from ...store.state.layout import StateLayout
from ..hooks import HOOK_GROUP, WorkerHook
from ..tasks.stacks import stacks_in_log
from .boot import Assignment, Boot
from .codebase import digests, own_files
from .output import label_output, log_to_output, settle_logging
from .parent_death import die_with_parent
from .random_state import find_generators, renew_generators
from .worker import freeze_heap, run_worker

if TYPE_CHECKING:
    from ...agent.plan import AgentPlan
    from ..hooks import HookClasses
    from .random_state import Generators


DELETIONS: Final = 50
DELETION_PAUSE: Final = 0.02
DYING_SECONDS: Final = 0.5
"""How long a launcher with much memory may take to die."""


class Zygote:
    """A zygote; see the module's text."""

    def __init__(self, control: socket.socket, *, is_guardian: bool) -> None:
        self._control = control
        self._is_guardian = is_guardian
        self._plan: AgentPlan | None = None
        self._hooks: HookClasses = ((), 0)
        self._generators: Generators = []
        self._buffer = b""
        self._workers: set[int] = set()
        self._wakeup, self._alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def main(self) -> int:
        """Serve the launcher until it dies, or sends `leave`."""
        self._boot = boot = Boot.decode(self._read_first_line())
        signal.signal(
            signal.SIGTERM, lambda *_: self._exit_with_workers(orphaned=os.getppid() != boot.parent)
        )
        die_with_parent(boot.parent, signal.SIGTERM)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._alarm, warn_on_full_buffer=False)
        sys.path.extend(path for path in boot.sys_path if path not in sys.path)
        if self._is_guardian:
            setproctitle.setproctitle("tamias guardian")
        else:
            self._plan = plan = self._compile()
            if plan is None:
                return 1
            setproctitle.setproctitle(f"tamias zygote ({plan.name.rpartition(':')[2]})")
            freeze_heap()
            self._send(
                ready={
                    "pid": os.getpid(),
                    "agent": plan.name,
                    "actions": list(plan.actions),
                    "files": digests(own_files()),
                }
            )
        while True:
            for message in self._messages():
                if "leave" in message:
                    self._kill_workers()
                    return 0
                self._fork(Assignment(**message["fork"]))
            waiting: list[socket.socket | int] = [self._control, self._wakeup]
            readable, _, _ = select.select(waiting, [], [])
            if self._wakeup in readable:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wakeup, 4096)
                self._reap()
            if self._control in readable:
                self._receive()

    def _compile(self) -> AgentPlan | None:
        try:
            with stacks_in_log():
                plan = self._boot.compile()
                names = plan.config.get(PoolOptions.WORKER_HOOKS)
                self._hooks = find_hooks(WorkerHook, HOOK_GROUP, names)
                self._generators = find_generators()
                settle_logging()
                return plan
        except BaseException as error:  # noqa: BLE001 (importing user code may do anything)
            self._send(failed=error_to_json(error))
            return None

    # -- workers ------------------------------------------------------------------------------

    def _fork(self, assignment: Assignment) -> None:
        zygote = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        reach("fork.before")
        try:
            pid = os.fork()
        except OSError as error:
            self._send(
                unforked=assignment.slot, incarnation=assignment.incarnation, error=str(error)
            )
            return
        if pid == 0:
            reach("fork.child")
            self._run_worker(zygote, assignment)
        reach("fork.parent")
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._workers.add(pid)
        self._send(forked=pid, slot=assignment.slot, incarnation=assignment.incarnation)

    def _run_worker(self, zygote: int, assignment: Assignment) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)  # its children die with it: see `_kill_group`
            die_with_parent(zygote)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.close(self._wakeup)
            os.close(self._alarm)
            plan = self._plan or self._compile()
            self._control.close()
            if plan is not None:
                renew_generators(self._generators)
                code = run_worker(self._boot, plan, assignment, self._hooks)
        except BaseException:  # noqa: BLE001 (nothing may unwind into the zygote's own frames)
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self._workers:
                self._kill_group(pid)
                self._send(exit=pid, status=status)

    def _kill_group(self, pid: int) -> None:
        """Kill all processes that a dead worker has left in its process group."""
        self._workers.discard(pid)
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)

    def _exit_with_workers(self, *, orphaned: bool = True) -> NoReturn:
        """Kill all workers, clean up, and exit: the launcher is dead, or sent SIGTERM.

        As long as the launcher lives, it uses its temporary files and removes them itself.
        """
        self._kill_workers()
        if not orphaned:
            # The launcher may be dying: its threads end one after the other, the kernel signals the
            # end of each that this process descends from, and until the last has ended `getppid`
            # names the launcher. Each further signal calls this again.
            time.sleep(DYING_SECONDS)
            orphaned = os.getppid() != self._boot.parent
        if orphaned:
            _remove_stale_socket(StateLayout(self._boot.state).control_socket)
        scratch = self._boot.scratch if orphaned else None
        for _ in range(DELETIONS):
            if not scratch or not os.path.exists(scratch):  # noqa: PTH110
                break
            # Workers that are not dead yet may create files: the next round removes them.
            shutil.rmtree(scratch, ignore_errors=True)
            time.sleep(DELETION_PAUSE)
        os._exit(0)

    def _kill_workers(self) -> None:
        for pid in self._workers:
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(pid, signal.SIGKILL)

    # -- the control socket -------------------------------------------------------------------

    def _read_first_line(self) -> bytes:
        while b"\n" not in self._buffer:
            data = self._control.recv(1 << 20)
            if not data:
                os._exit(1)
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _receive(self) -> None:
        data = self._control.recv(1 << 16)
        if not data:
            self._exit_with_workers()
        self._buffer += data

    def _messages(self) -> list[dict[str, Any]]:
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def _send(self, **message: Any) -> None:
        with contextlib.suppress(OSError):  # its end will be read from the control socket
            self._control.sendall(json.dumps(message).encode() + b"\n")


def _remove_stale_socket(path: Path) -> None:
    """Remove the control socket of a killed launcher; one on which a launcher listens is kept."""
    with contextlib.suppress(OSError):
        os.chdir(path.parent)  # a socket's path must be short
        for _ in range(DELETIONS):
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(path.name)
                except ConnectionRefusedError:
                    Path(path.name).unlink()
                    return
            time.sleep(DELETION_PAUSE)


def main() -> int:
    """The module's entry point."""
    label_output(lambda: "zygote")
    log_to_output()
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    return Zygote(control, is_guardian="guardian" in sys.argv[2:]).main()


if __name__ == "__main__":
    sys.exit(main())
