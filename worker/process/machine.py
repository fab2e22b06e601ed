"""How much memory this machine has for a pool: physical memory, or what its control groups allow.

A process in a container sees the memory of the whole machine in /proc/meminfo, but the kernel kills
at the limit of its control group. The limit can be at any level of the hierarchy, in version 2
(`memory.max`) or 1 (`memory.limit_in_bytes`); the least counts.

`memory-limit: auto` is based on that: a pool together gets four fifths, each worker its share.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

POOL_PERCENT: Final = 80
"""The part of the memory that a pool may have, in percent."""
LEAST_SHARE: Final = 512 << 20
"""A worker's share is not smaller than this (or half of the pool's, if that is less): a pool of
many workers on a small machine must not lose one that needs more than the others for a while."""
POOLS_VARIABLE: Final = "TAMIAS_POOLS"
"""An environment variable of pool processes: how many pools share the machine."""
LEAST_RESERVE: Final = 4 << 30
"""What a worker may reserve at least: reserved memory is often not used (stacks of threads)."""
EXPENDABLE: Final = 900
"""Added to the `oom_score_adj` of workers: when memory is short, the kernel chooses them."""


@dataclass(frozen=True, slots=True)
class PoolMemory:
    """The memory that a pool may have, in bytes; `total` is what the machine or group has."""

    total: int

    @property
    def together(self) -> int:
        """The most that all workers of the pool may have together."""
        return self.total * POOL_PERCENT // 100 // _pools()

    def share(self, workers: int) -> int:
        """The most that one of so many workers may have."""
        return max(self.together // max(1, workers), min(LEAST_SHARE, self.together // 2))

    @property
    def reserve(self) -> int:
        """The most that one worker may reserve, used or not."""
        return max(self.together, LEAST_RESERVE)


def pool_memory() -> PoolMemory:
    """Return the memory of this machine, or of this process's control group."""
    return PoolMemory(memory_total())


def memory_total(root: Path = Path("/")) -> int:
    """Return the bytes that the machine has, or the control groups of this process allow.

    Args:
        root: where `proc` and `sys` are; another one in tests.
    """
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError, IndexError):
        for line in (root / "proc/meminfo").read_text().splitlines():
            if line.startswith("MemTotal:"):
                total = int(line.split()[1]) << 10
    return min([total, *_group_limits(root)])


def _group_limits(root: Path) -> Iterator[int]:
    """Yield the limits of this process's control groups and of those above them."""
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
        mounts = (root / "proc/self/mountinfo").read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        name = "memory.limit_in_bytes" if controllers else "memory.max"
        for top, place in _hierarchies(mounts, version=1 if controllers else 2):
            folder = root / place.lstrip("/")
            inside = Path(group).relative_to(top) if Path(group).is_relative_to(top) else Path()
            for part in (inside, *inside.parents):
                with suppress(OSError, ValueError):  # "max" is no limit
                    yield int((folder / part / name).read_text())


def _hierarchies(mounts: list[str], *, version: int) -> Iterator[tuple[str, str]]:
    """Yield the group at the top of each mounted hierarchy, and where it is mounted."""
    for line in mounts:
        left, _, right = line.partition(" - ")
        fields, kind = left.split(), right.split()
        is_second = kind[0] == "cgroup2"
        is_first = kind[0] == "cgroup" and "memory" in kind[-1].split(",")
        if is_second if version == 2 else is_first:
            yield fields[3], fields[4]


def be_expendable() -> None:
    """Have the kernel choose this process, and its children, before others if memory is short."""
    path = Path("/proc/self/oom_score_adj")
    with suppress(OSError, ValueError):
        path.write_text(str(min(1000, int(path.read_text()) + EXPENDABLE)))


def reserved_data() -> int:
    """Return the private writable memory of this process, used or not: RLIMIT_DATA counts it."""
    with suppress(OSError, IndexError, ValueError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmData:"):
                return int(line.split()[1]) << 10
    return 0


def _pools() -> int:
    number = os.environ.get(POOLS_VARIABLE, "")
    return max(1, int(number)) if number.isdigit() else 1
