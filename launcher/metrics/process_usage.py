"""What worker processes use, as the kernel counts it; also of those that are stopped or stuck.

The launcher reads /proc: three files of each worker once a second, which takes a tenth of a
millisecond, and once in ten seconds its own memory, for which the kernel walks through its pages.

A slot's counts go on when its process is replaced: what the former ones have used, as last seen, is
kept. Numbers are whole, so that sums never fall by rounding.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["ProcessUsages", "read_own_memory", "read_usage"]

READ_SECONDS: Final = 1.0
OWN_SECONDS: Final = 10.0
_MOST_OWN: Final = 8
"""The own memory of so many processes at most is read at once."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_STAT: Final = {
    "minor_faults": 7,
    "major_faults": 9,
    "user_ticks": 11,
    "system_ticks": 12,
    "threads": 17,
    "start_ticks": 19,
    "rss_pages": 21,
}
"""Fields of /proc/PID/stat, counted from the one behind the name."""
_STATUS: Final = {
    b"voluntary_ctxt_switches": "voluntary_switches",
    b"nonvoluntary_ctxt_switches": "involuntary_switches",
}
_IO: Final = {b"read_bytes": "read_bytes", b"write_bytes": "written_bytes"}
_OWN: Final = {
    b"Private_Dirty": "own",
    b"Private_Hugetlb": "own",
    b"Swap": "own",
}
_COUNTS: Final = (
    "user_ticks",
    "system_ticks",
    "minor_faults",
    "major_faults",
    "voluntary_switches",
    "involuntary_switches",
    "read_bytes",
    "written_bytes",
)
"""What only grows; the rest is of the moment."""
_MOMENTARY: Final = ("rss_pages", "own", "descriptors", "threads")


def read_usage(pid: int) -> dict[str, int] | None:
    """What a process has used, as far as it may be read; None if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 1 :].split()  # the name in front may contain anything
    usage = {name: int(fields[place]) for name, place in _STAT.items()}
    _add_lines(usage, f"/proc/{pid}/status", _STATUS)
    _add_lines(usage, f"/proc/{pid}/io", _IO)
    with suppress(OSError):  # of another user's
        usage["descriptors"] = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 (much faster)
    return usage


def read_own_memory(pid: int) -> int | None:
    """The bytes that no other process shares, without clean pages; None if it may not be read."""
    found: dict[str, int] = {}
    _add_lines(found, f"/proc/{pid}/smaps_rollup", _OWN)
    return 1024 * found["own"] if found else None


def _add_lines(usage: dict[str, int], path: str, names: dict[bytes, str]) -> None:
    try:
        data = Path(path).read_bytes()
    except OSError:
        return
    for line in data.splitlines():
        name, _, rest = line.partition(b":")
        if name in names:
            usage[names[name]] = usage.get(names[name], 0) + int(rest.split()[0])


class _Process:
    """One process of a slot, as last seen."""

    __slots__ = ("began", "incarnation", "next_own", "next_read", "seen")

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self.seen: dict[str, int] = {}
        self.began = 0.0
        self.next_read = 0.0
        self.next_own = 0.0

    def record(self, usage: dict[str, int]) -> None:
        """Record what a process of its number has used, unless that is another one by now."""
        started = usage["start_ticks"]
        if started != self.seen.setdefault("start_ticks", started):
            return
        if not self.began:
            age = time.clock_gettime(time.CLOCK_BOOTTIME) - started / _TICKS
            self.began = time.time() - age
        for name in _COUNTS:
            if name in usage or name in self.seen:
                usage[name] = max(usage.get(name, 0), self.seen.get(name, 0))
        self.seen.update(usage)

    def end(self) -> bool:
        """Forget what it has at the moment: it has ended. Returns whether that was known."""
        known = [self.seen.pop(name, None) for name in _MOMENTARY]
        return any(each is not None for each in known)


class ProcessUsages:
    """What the processes of all slots have used."""

    def __init__(
        self,
        read: Callable[[int], dict[str, int] | None] = read_usage,
        read_own: Callable[[int], int | None] = read_own_memory,
    ) -> None:
        """`read` and `read_own` ask the kernel about a process."""
        self._read = read
        self._read_own = read_own
        self._former: dict[int, dict[str, int]] = {}
        self._present: dict[int, _Process] = {}
        self._shown: dict[int, dict[str, float]] = {}
        """By slot, what `of_slot` returns, until something is read."""

    @property
    def slots(self) -> set[int]:
        """The slots that have, or have had, a process that was seen."""
        return {*self._former, *self._present}

    def sample(self, processes: Iterable[tuple[int, int, int]], now: float) -> None:
        """Read what is due of processes: slot, incarnation and process id; `now` is monotonic."""
        own = 0
        ended = set(self._present)
        for slot, incarnation, pid in processes:
            ended.discard(slot)
            process = self._present.get(slot)
            if process is None or process.incarnation != incarnation:
                self.leave(slot)
                process = self._present[slot] = _Process(incarnation)
            if now >= process.next_own and own < _MOST_OWN:
                own += 1
                process.next_own = now + OWN_SECONDS
                memory = self._read_own(pid)
                if memory is not None:
                    process.seen["own"] = memory
            if now >= process.next_read:
                process.next_read = now + READ_SECONDS
                usage = self._read(pid)
                if usage is not None:
                    process.record(usage)
                self._shown.pop(slot, None)
        for slot in ended:
            if self._present[slot].end():
                self._shown.pop(slot, None)

    def leave(self, slot: int) -> None:
        """A slot's process has ended: what it has used is kept."""
        process = self._present.pop(slot, None)
        if process is not None:
            former = self._former.setdefault(slot, {})
            for name in _COUNTS:
                if name in process.seen:
                    former[name] = former.get(name, 0) + process.seen[name]
            self._shown.pop(slot, None)

    def of_slot(self, slot: int) -> dict[str, float]:
        """What the slot's processes have used, and what the present one has now.

        `cpu_user` and `cpu_system` in seconds; `rss`, `own`, `read_bytes` and `written_bytes` in
        bytes; `minor_faults`, `major_faults`, `voluntary_switches` and `involuntary_switches` (of
        the main thread), `descriptors`, `threads`. What may not be read is missing.
        """
        shown = self._shown.get(slot)
        if shown is None:
            shown = self._shown[slot] = self._sum(slot)
        return shown

    def _sum(self, slot: int) -> dict[str, float]:
        former = self._former.get(slot, {})
        process = self._present.get(slot)
        seen = {} if process is None else process.seen
        found: dict[str, float] = {
            name: former.get(name, 0) + seen.get(name, 0)
            for name in _COUNTS
            if name in former or name in seen
        }
        found.update({name: seen[name] for name in _MOMENTARY if name in seen})
        for name, ticks in (("cpu_user", "user_ticks"), ("cpu_system", "system_ticks")):
            if ticks in found:
                found[name] = found.pop(ticks) / _TICKS
        if "rss_pages" in found:
            found["rss"] = found.pop("rss_pages") * _PAGE
        return found

    def began(self, slot: int) -> float:
        """When the slot's present process has begun, in seconds since the epoch; 0 if unknown."""
        process = self._present.get(slot)
        return 0.0 if process is None else process.began
