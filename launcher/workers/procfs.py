"""Reads from /proc what the kernel reports of a process: its state and its own memory.

*Own memory* is what becomes free when the process ends: the unique set size (USS: private pages,
clean and dirty), and the part that was swapped out. The pages of LMDB's maps are left out. They are
page cache, which the kernel frees when memory is short. But it counts pages that only one process
maps as that process's own, so a worker with a large store would seem to grow for ever.

For the exact number the kernel walks through all pages. `memory_at_most` is an upper bound that
costs almost nothing: while it is below a limit, the exact number is not needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STORE: Final = ("/data.mdb", "/lock.mdb")
_STATE, _USER_TICKS, _KERNEL_TICKS = 2, 13, 14
"""Fields of /proc/PID/stat, from 0."""
_OWN: Final = frozenset((b"Private_Clean", b"Private_Dirty", b"Private_Hugetlb", b"Swap"))
_BOUNDING: Final = frozenset((b"RssAnon", b"RssShmem", b"RssFile", b"VmSwap", b"HugetlbPages"))


@dataclass(frozen=True, slots=True)
class ProcessState:
    """The state of a process in the scheduler.

    `state` is the letter of proc(5): R runs, S sleeps, D sleeps and cannot be woken (disk, network
    file system, swap, a frozen group), T is stopped, t is held by a debugger, Z is dead. `ticks`
    is the processor time that it has used.
    """

    state: str
    ticks: int


def process_state(pid: int) -> ProcessState | None:
    """Return the state of a process; None if there is none, or if it cannot be read."""
    try:
        data = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name, in parentheses, may contain anything.
    name_ends = data.rfind(b")")
    fields = [b"", b"", *data[name_ends + 1 :].split()]
    return ProcessState(
        fields[_STATE].decode(), int(fields[_USER_TICKS]) + int(fields[_KERNEL_TICKS])
    )


def oom_kills() -> int:
    """Return how many processes the kernel has killed for want of memory; 0 if it does not say."""
    return _sum_of(_read("/proc/vmstat").replace(b" ", b":"), frozenset((b"oom_kill",)))


def catches(pid: int, number: int) -> bool:
    """Return whether a process has a handler for a signal."""
    for line in _read(f"/proc/{pid}/status").splitlines():
        if line.startswith(b"SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False


def descendants(pid: int) -> list[int]:
    """Return the living processes that descend from a process, as far as the kernel lists them."""
    found = [pid]
    for parent in found:  # which grows
        try:
            threads = list(Path(f"/proc/{parent}/task").iterdir())
        except OSError:
            continue
        for thread in threads:
            found += map(int, _read(f"{thread}/children").split())
    return found[1:]


def memory_at_most(pid: int) -> int:
    """Return an upper bound of `memory`, cheaply; 0 if there is no such process."""
    return 1024 * _sum_of(_read(f"/proc/{pid}/status"), _BOUNDING)


def memory(pid: int) -> int:
    """Return the bytes of a process's own memory; 0 if there is none, or it cannot be read."""
    total = 0
    for mapping in _mappings(_read(f"/proc/{pid}/smaps")):
        total += _sum_of(mapping, _OWN)
    return 1024 * total


def _mappings(data: bytes) -> list[bytes]:
    """Return the parts of a smaps file about single mappings, without those of a store."""
    parts: list[list[bytes]] = []
    for line in data.splitlines():
        name, colon, _ = line.partition(b":")
        if colon and name.replace(b"_", b"").isalpha():
            if parts:
                parts[-1].append(line)
        else:  # "55d0-55d4 rw-p 0000 fd:00 1234   /path"
            parts.append([line])
    return [
        b"\n".join(lines[1:])
        for lines in parts
        if not lines[0].removesuffix(b" (deleted)").decode(errors="replace").endswith(_STORE)
    ]


def _sum_of(data: bytes, names: frozenset[bytes]) -> int:
    total = 0
    for line in data.splitlines():
        name, _, rest = line.partition(b":")
        if name in names:
            total += int(rest.split()[0])
    return total


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""
