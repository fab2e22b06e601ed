"""How much memory a machine, or a control group, is found to have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.worker.process.machine import memory_total

if TYPE_CHECKING:
    from pathlib import Path

GIB = 1 << 30
V1 = "30 23 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
V2 = "31 23 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "proc/meminfo", f"MemTotal: {8 * GIB >> 10} kB\nMemFree: 1 kB\n")
    return tmp_path


def write(root: Path, name: str, text: object) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{text}\n")


def test_without_control_groups_it_is_that_of_the_machine(root: Path) -> None:
    assert memory_total(root) == 8 * GIB


@pytest.mark.parametrize("holder", ["memory.max", "pod/memory.max", "pod/app/memory.max"])
def test_the_limit_of_the_second_version_at_any_level(root: Path, holder: str) -> None:
    write(root, "proc/self/cgroup", "0::/pod/app")
    write(root, "proc/self/mountinfo", V2)
    write(root, "sys/fs/cgroup/pod/app/memory.max", "max")
    write(root, f"sys/fs/cgroup/{holder}", 2 * GIB)
    assert memory_total(root) == 2 * GIB


def test_the_limit_of_the_first_version(root: Path) -> None:
    write(root, "proc/self/cgroup", "9:cpu:/x\n4:memory:/app\n0::/")
    write(root, "proc/self/mountinfo", V1)
    write(root, "sys/fs/cgroup/memory/app/memory.limit_in_bytes", 3 * GIB)
    write(root, "sys/fs/cgroup/memory/memory.limit_in_bytes", (1 << 63) - 4096)
    assert memory_total(root) == 3 * GIB


def test_a_group_that_is_mounted_as_the_top(root: Path) -> None:
    """A container without a namespace for groups: the path is that of the host."""
    write(root, "proc/self/cgroup", "0::/docker/12ab")
    write(root, "proc/self/mountinfo", V2.replace(" / /sys", " /docker/12ab /sys"))
    write(root, "sys/fs/cgroup/memory.max", GIB)
    assert memory_total(root) == GIB


def test_no_limit_is_the_machine(root: Path) -> None:
    write(root, "proc/self/cgroup", "0::/")
    write(root, "proc/self/mountinfo", V2)
    write(root, "sys/fs/cgroup/memory.max", "max")
    assert memory_total(root) == 8 * GIB
