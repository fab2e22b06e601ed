"""The reaper: the parent process of a zygote, which kills all that the zygote leaves behind.

The agent's code runs in the zygote and in the workers, where it may do anything: ignore signals,
start processes in sessions of their own, crash the interpreter. So another process has to clean up,
in which that code never runs. The reaper is that process. It forks the zygote before anything of
tamias is imported, so it is small, and then only waits:

- When the zygote ends, however, the reaper kills all of its descendants, sends the zygote's wait
  status to the launcher, and exits.
- When the launcher dies, or wants the zygote to end, the reaper kills the zygote, too. If the
  launcher is dead, it also removes the launcher's temporary files.

Each descendant of the zygote is one of the reaper, also a process whose parents have ended: the
kernel makes the reaper its parent (`PR_SET_CHILD_SUBREAPER`, see prctl(2)). The host process of a
JVM is spared: several zygotes of a pool share it, and it ends with the launcher by itself.

This file is executed before the package is imported (see `environments/launch.py`). It uses the
standard library only.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import Any, Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

EXIT_DESCRIPTORS_CLOSED: Final = 90
"""The exit code of a zygote whose control socket was closed by importing the agent."""
LEAVE: Final = b"leave"
"""Sent by a launcher that goes on without the zygote."""
KILL_SECONDS: Final = 3.0
"""The longest to wait for killed processes to end."""
EXIT_SECONDS: Final = 0.3
"""The time that a zygote which has closed its descriptors gets to exit."""
DYING_SECONDS: Final = 0.5
"""How long a launcher with much memory may take to die."""
DELETIONS: Final = 50
DELETION_PAUSE: Final = 0.02
_SPARED: Final = b"tamias.bridge.jvm.jvm_host"
_SPARED_TITLE: Final = b"tamias host process of "


def die_with_parent(parent: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Have the kernel send `number` to this process when its parent dies.

    Sends it at once if `parent` is not the parent any more: it died before the request was made.
    The signal comes when the thread that made the process ends (`PR_SET_PDEATHSIG`, see prctl(2)).
    """
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, int(number))
    if os.getppid() != parent:
        os.kill(os.getpid(), number)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def fork_zygote(settings: str) -> None:
    """Become the reaper, and return in its child, the zygote.

    Args:
        settings: JSON: `control` and `leash`, descriptors of the sockets to the launcher; `parent`,
            the launcher's process id; `socket` and `scratch`, paths to remove if it dies.
    """
    given = json.loads(settings)
    old_mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM})
    reaper = os.getpid()
    # Readable when the zygote has ended, closed its descriptors, or is another program (os.exec).
    lifeline, held = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(lifeline)
        os.close(given["leash"])
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the launcher to handle
        die_with_parent(reaper)
        signal.pthread_sigmask(signal.SIG_SETMASK, old_mask)
        return
    try:
        os.close(held)
        _Reaper(pid, lifeline, given).run(old_mask)
    finally:
        os._exit(1)


class _Reaper:
    """A reaper; see the module's text."""

    def __init__(self, zygote: int, lifeline: int, given: dict[str, Any]) -> None:
        self._zygote = zygote
        self._lifeline = lifeline
        self._parent: int = given["parent"]
        self._scratch: str | None = given["scratch"]
        self._control_socket: str = given["socket"]
        self._control = socket.socket(fileno=given["control"])
        self._leash: int = given["leash"]

    def run(self, mask: set[int | signal.Signals]) -> NoReturn:
        """Wait for the end of the zygote or of the launcher, and clean up."""
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        wakeup, alarm = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        for number in (signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask - {signal.SIGCHLD, signal.SIGTERM})
        die_with_parent(self._parent, signal.SIGTERM)
        _set_title()
        self._send(zygote=self._zygote)
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        poll.register(self._leash, select.POLLIN)
        poll.register(self._lifeline, select.POLLIN)
        while True:
            self._reap()
            readable = [descriptor for descriptor, _ in poll.poll()]
            if self._leash in readable:
                self._end_all(orphaned=os.read(self._leash, len(LEAVE)) != LEAVE)
            if self._lifeline in readable:
                self._end_lost_zygote()
            if wakeup in readable and signal.SIGTERM in os.read(wakeup, 4096):
                self._kill_all_for_signal()

    def _reap(self) -> None:
        """Collect the exit statuses of all children that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._zygote:
                kill_descendants()
                self._send(ended=status)
                os._exit(0)

    def _end_lost_zygote(self) -> NoReturn:
        """Kill a zygote that has lost its descriptors, unless it is about to exit."""
        deadline = time.monotonic() + EXIT_SECONDS
        while time.monotonic() < deadline:
            self._reap()
            time.sleep(0.01)
        kill_descendants()
        self._send(ended=EXIT_DESCRIPTORS_CLOSED << 8)
        os._exit(0)

    def _kill_all_for_signal(self) -> NoReturn:
        kill_descendants()
        if os.getppid() == self._parent:
            # The launcher may be dying: its threads end one after the other, the kernel signals the
            # end of each that this process descends from, and until the last has ended `getppid`
            # names the launcher.
            time.sleep(DYING_SECONDS)
        self._end_all(orphaned=os.getppid() != self._parent)

    def _end_all(self, *, orphaned: bool) -> NoReturn:
        """Kill all processes, clean up, and exit.

        As long as the launcher lives, it uses its temporary files and removes them itself.
        """
        kill_descendants()
        if orphaned:
            _remove_stale_socket(self._control_socket)
            if self._scratch:
                shutil.rmtree(self._scratch, ignore_errors=True)
        os._exit(0)

    def _send(self, **message: Any) -> None:
        with suppress(OSError):
            # The zygote may have died in the middle of a line.
            self._control.sendall(b"\n" + json.dumps(message).encode() + b"\n")


def kill_descendants() -> None:
    """Kill all descendants of this process, and wait for their ends.

    A process that is killed may have started another one just before: the next round finds that.
    """
    deadline = time.monotonic() + KILL_SECONDS
    while True:
        found = descendants(os.getpid())
        # After the look, so that none is left uncollected: else its CPU time counts nowhere.
        while _reap_one():
            pass
        if not found or time.monotonic() > deadline:
            return
        for pid in found:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.002)


def _reap_one() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def descendants(pid: int) -> list[int]:
    """Find the living descendants of a process, without the host process of a JVM."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 (nothing more is imported here)
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in (b"Z", b"X"):
                    children.setdefault(int(parent), []).append(int(name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), ()):
            if not _is_spared(child):
                found.append(child)
                waiting.append(child)
    return found


def _is_spared(pid: int) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
        command = file.read()
        return _SPARED in command or command.startswith(_SPARED_TITLE)
    return False


def _remove_stale_socket(path: str) -> None:
    """Remove the control socket of a killed launcher; one on which a launcher listens is kept."""
    folder, name = os.path.split(path)
    with suppress(OSError):
        os.chdir(folder)  # a socket's path must be short
        for _ in range(DELETIONS):
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(name)
                except ConnectionRefusedError:
                    os.unlink(name)  # noqa: PTH108
                    return
            time.sleep(DELETION_PAUSE)


def _set_title() -> None:
    with suppress(ImportError):
        from setproctitle import setproctitle  # noqa: PLC0415 (the environment may lack it)

        setproctitle("tamias reaper")
