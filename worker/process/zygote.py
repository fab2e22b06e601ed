"""The zygote: a warm interpreter that forks workers.

A generation has one, started with `exec` so that nothing of the launcher leaks into it. It imports
the agent and everything a worker needs, freezes the heap, and then only waits: with one thread, no
context of ZeroMQ and no open store, so that a fork copies nothing that must not be copied. A fork
costs milliseconds where a new interpreter costs hundreds of them.

Its control socket carries JSON lines. From the launcher: first a `Boot`, then
`{"fork": Assignment}` any number of times. To the launcher: `{"ready": {...}}` or
`{"failed": {...}}`, `{"forked": pid, ...}`, `{"exit": pid, "status": n}`.

**The agent's code may have changed anything** that belongs to the process: signal handlers,
streams, functions of the standard library. So the zygote sees the deaths of its workers by
descriptors of the processes (pidfd_open(2)), needs no signal, sets back what the import has changed
(`import_effects.py`), and calls only functions that it had before. All clean-up is the work of its
parent, the reaper (`reaper.py`), where the agent's code never runs.

With the start method `spawn` there is no fork: the process itself becomes the one worker, and
imports the agent only then. That is for agents whose imports do not survive a fork.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import select
import signal
import socket
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final, NoReturn

import setproctitle

from ...agent.config.options import PoolOptions
from ...agent.failures.error_json import error_to_json
from ...agent.hooks import find_hooks
from ...agent.resources.resource import ResourceType
from ...store.crashpoints import reach
from ..hooks import HOOK_GROUP, WorkerHook
from ..importing.codebase import digests, own_files
from ..importing.guard import importing_agent
from ..importing.random_state import find_generators, renew_generators
from ..importing.side_effects import ImportEffects, buffer_native_lines, flush_streams
from ..long_term.embedding import import_arithmetic
from ..tasks.stacks import stacks_in_log
from .boot import Assignment, Boot
from .output import label_output, log_to_output, settle_logging
from .reaper import EXIT_DESCRIPTORS_CLOSED, descendants, die_with_parent
from .running import run_worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...agent.plan import AgentPlan
    from ..hooks import HookClasses
    from ..importing.random_state import Generators

LOOK_SECONDS: Final = 0.5
"""Between two looks at workers, on a system without descriptors of processes."""

_LOG: Final = logging.getLogger("tamias.worker")

# As they are before the agent is imported, which may replace them.
_fork: Final = os.fork
_waitpid: Final = os.waitpid
_pidfd_open: Final[Callable[[int], int] | None] = getattr(os, "pidfd_open", None)
_poll: Final = select.poll


class Zygote:
    """A zygote; see the module's text."""

    def __init__(self, control: socket.socket, *, spawn: bool) -> None:
        self._control = control
        self._spawn = spawn
        self._plan: AgentPlan | None = None
        self._hooks: HookClasses = ((), 0)
        self._generators: Generators = []
        self._buffer = b""
        self._workers: dict[int, int] = {}
        """Descriptors of the living workers, by process id; -1 where the system has none."""

    def main(self) -> int:
        """Serve the launcher until the reaper kills this process."""
        self._boot = boot = Boot.decode(self._read_line())
        sys.path.extend(path for path in boot.sys_path if path not in sys.path)
        buffer_native_lines()
        if self._spawn:
            self._become_worker(Assignment(**json.loads(self._read_line())["fork"]))
        effects = ImportEffects()
        self._plan = plan = self._compile()
        if plan is None:
            return 1
        effects.undo()
        effects.end_forked_child()
        if not self._is_connected():
            return EXIT_DESCRIPTORS_CLOSED
        setproctitle.setproctitle(f"tamias zygote ({plan.name.rpartition(':')[2]})")
        freeze_heap()
        self._send(
            ready={
                "pid": os.getpid(),
                "agent": plan.name,
                "actions": list(plan.actions),
                "files": digests(own_files()),
                "warnings": effects.warnings(plan.name.partition(":")[0], descendants(os.getpid())),
            }
        )
        while True:
            for message in self._messages():
                self._fork(Assignment(**message["fork"]))
            if self._control.fileno() in self._wait():
                self._receive()
            self._collect()

    def _compile(self) -> AgentPlan | None:
        process = os.getpid()
        try:
            with stacks_in_log(), importing_agent(self._boot.target):
                plan = self._boot.compile()
                plan.preload()
                if plan.providers.get(ResourceType.EMBEDDING_MODEL):
                    import_arithmetic()  # memory sets have vectors of such models alone
                names = plan.config.get(PoolOptions.WORKER_HOOKS)
                self._hooks = find_hooks(WorkerHook, HOOK_GROUP, names)
                self._generators = find_generators()
                settle_logging()
                return plan
        except BaseException as error:
            if os.getpid() != process:
                raise  # in a child that the import has forked
            self._send(failed=error_to_json(error))
            return None

    def _is_connected(self) -> bool:
        try:
            os.fstat(self._control.fileno())
        except OSError:
            _LOG.error(
                "importing the agent has closed all descriptors of its process (os.closerange?)"
            )
            return False
        return True

    def _wait(self) -> list[int]:
        """Wait for a message or the death of a worker; return the descriptors that are readable."""
        poll = _poll()
        poll.register(self._control, select.POLLIN)
        for descriptor in self._workers.values():
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        limit = LOOK_SECONDS * 1000 if -1 in self._workers.values() else None
        return [descriptor for descriptor, _ in poll.poll(limit)]

    # -- workers ------------------------------------------------------------------------------

    def _fork(self, assignment: Assignment) -> None:
        zygote = os.getpid()
        flush_streams()
        reach("fork.before")
        try:
            pid = _fork()
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
        self._workers[pid] = _descriptor_of(pid)
        self._send(forked=pid, slot=assignment.slot, incarnation=assignment.incarnation)

    def _run_worker(self, zygote: int, assignment: Assignment) -> NoReturn:
        code = 1
        try:
            os.setpgid(0, 0)  # its children die with it: see `_kill_group`
            die_with_parent(zygote)
            for descriptor in filter(lambda number: number >= 0, self._workers.values()):
                os.close(descriptor)
            self._control.close()
            if self._plan is not None:
                renew_generators(self._generators)
                code = run_worker(self._boot, self._plan, assignment, self._hooks)
        except BaseException:  # noqa: BLE001 (nothing may unwind into the zygote's own frames)
            traceback.print_exc()
        finally:
            flush_streams()
            os._exit(code)

    def _become_worker(self, assignment: Assignment) -> NoReturn:
        """Import the agent and work, in this process."""
        code = 1
        try:
            self._send(forked=os.getpid(), slot=assignment.slot, incarnation=assignment.incarnation)
            effects = ImportEffects()
            plan = self._compile()
            effects.undo()
            effects.end_forked_child()
            self._control.close()
            if plan is not None:
                renew_generators(self._generators)
                code = run_worker(self._boot, plan, assignment, self._hooks)
        except BaseException:  # noqa: BLE001 (as above)
            traceback.print_exc()
        finally:
            flush_streams()
            os._exit(code)

    def _collect(self) -> None:
        """Report the workers that have died."""
        for pid in list(self._workers):
            status: int | None = None  # if other code in this process has collected it
            with contextlib.suppress(ChildProcessError):
                ended, status = _waitpid(pid, os.WNOHANG)
                if ended == 0:
                    continue
            descriptor = self._workers.pop(pid)
            if descriptor >= 0:
                os.close(descriptor)
            _kill_group(pid)
            self._send(exit=pid, status=status)

    # -- the control socket -------------------------------------------------------------------

    def _read_line(self) -> bytes:
        while b"\n" not in self._buffer:
            data = self._read(1 << 20)
            if not data:
                os._exit(1)
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _read(self, most: int) -> bytes:
        """What the launcher has written; nothing if it is dead."""
        try:
            return self._control.recv(most)
        except ConnectionResetError:  # it has died before it has read all that was written to it
            return b""

    def _receive(self) -> None:
        data = self._read(1 << 16)
        if not data:
            os._exit(0)  # the launcher is dead: the reaper kills the workers
        self._buffer += data

    def _messages(self) -> list[dict[str, Any]]:
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def _send(self, **message: Any) -> None:
        with contextlib.suppress(OSError):  # its end will be read from the control socket
            self._control.sendall(json.dumps(message).encode() + b"\n")


def _descriptor_of(pid: int) -> int:
    """Open a descriptor that is readable when the process has ended; -1 if there are none."""
    if _pidfd_open is not None:
        with contextlib.suppress(OSError):
            return _pidfd_open(pid)
    return -1


def _kill_group(pid: int) -> None:
    """Kill all processes that a dead worker has left in its process group."""
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def main() -> int:
    """The module's entry point; the process is below a reaper."""
    label_output(lambda: "zygote")
    log_to_output()
    given = json.loads(sys.argv[1])
    control = socket.socket(fileno=given["control"])
    control.set_inheritable(False)
    return Zygote(control, spawn=given["spawn"]).main()


def freeze_heap() -> None:
    """Prepare the heap for forks: keep the garbage collector from writing to its objects."""
    gc.collect()
    gc.freeze()
    # The worker's own objects are freed by reference counts; a search for cycles after every seven
    # hundred objects would cost a fifth of its time.
    gc.set_threshold(20_000, 20, 50)
