"""The launcher's own look at worker processes, whatever their zygote reports.

The zygote knows how a worker has ended, and reports that. But the agent's code runs in the zygote,
too, and may keep it from reporting. So the launcher has a descriptor of each worker, which is
readable when the process has ended, and a death that is not reported soon counts as unknown.
"""

from __future__ import annotations

import os
import select
import time
from typing import Final

LOOK_SECONDS: Final = 0.5
REPORT_SECONDS: Final = 1.0
"""The time that a zygote has to report a death."""


class DeathWatch:
    """Watches processes that are not children of this one."""

    def __init__(self) -> None:
        self._descriptors: dict[int, int] = {}
        """By process id; those that have not been seen dead."""
        self._dead: dict[int, float] = {}
        """When each death was seen, in monotonic seconds, until it is reported or overdue."""
        self._next = 0.0

    def add(self, pid: int) -> None:
        """Watch a process."""
        try:
            self._descriptors[pid] = os.pidfd_open(pid)
        except ProcessLookupError:  # dead, and collected
            self._dead[pid] = time.monotonic()
        except OSError:
            pass  # the system has no such descriptors

    def remove(self, pid: int) -> None:
        """Watch it no more: its end is known."""
        self._dead.pop(pid, None)
        descriptor = self._descriptors.pop(pid, None)
        if descriptor is not None:
            os.close(descriptor)

    def unreported(self) -> list[int]:
        """Return the processes that died some time ago and have not been removed since.

        Called often, and looks twice a second: it is only needed when a zygote does not report.
        """
        now = time.monotonic()
        if now < self._next:
            return []
        self._next = now + LOOK_SECONDS
        for pid, descriptor in list(self._descriptors.items()):
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if poll.poll(0):
                self.remove(pid)
                self._dead[pid] = now
        overdue = [pid for pid, seen in self._dead.items() if now - seen > REPORT_SECONDS]
        for pid in overdue:
            del self._dead[pid]
        return overdue

    def close(self) -> None:
        """Watch nothing more."""
        for pid in list(self._descriptors):
            self.remove(pid)
        self._dead.clear()
