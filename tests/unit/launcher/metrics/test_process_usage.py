"""What processes have used: as the kernel counts it, and over all processes of a slot."""

from __future__ import annotations

import os
import time

from tamias.launcher.metrics.process_usage import ProcessUsages, read_own_memory, read_usage

NONE = 1 << 22
"""No process has that number."""


def test_the_kernel_counts_what_this_process_uses() -> None:
    before = read_usage(os.getpid())
    assert before is not None
    until = time.process_time() + 0.05
    while time.process_time() < until:
        pass
    opened = [os.open("/dev/null", os.O_RDONLY) for _ in range(5)]
    after = read_usage(os.getpid())
    for descriptor in opened:
        os.close(descriptor)
    assert after is not None
    assert (
        after["user_ticks"] + after["system_ticks"] > before["user_ticks"] + before["system_ticks"]
    )
    assert after["descriptors"] == before["descriptors"] + 5
    assert after["threads"] >= 1
    assert after["rss_pages"] > 100
    own = read_own_memory(os.getpid())
    assert own is not None
    assert own > 1 << 20


def test_of_a_process_that_is_gone_nothing_is_known() -> None:
    assert read_usage(NONE) is None
    assert read_own_memory(NONE) is None


def usages(kernel: dict[int, dict[str, int]]) -> ProcessUsages:
    return ProcessUsages(kernel.get, lambda _: 4096)


def test_counts_of_a_slot_go_on_with_its_next_process() -> None:
    kernel = {7: {"start_ticks": 1, "user_ticks": 300, "rss_pages": 10}}
    used = usages(kernel)
    used.sample([(0, 1, 7)], 10.0)
    kernel[8] = {"start_ticks": 2, "user_ticks": 100, "rss_pages": 5}
    used.sample([], 11.0)
    assert used.of_slot(0) == {"cpu_user": 300 / os.sysconf("SC_CLK_TCK")}
    used.sample([(0, 2, 8)], 12.0)
    assert used.of_slot(0)["cpu_user"] == 400 / os.sysconf("SC_CLK_TCK")
    assert used.of_slot(0)["rss"] == 5 * os.sysconf("SC_PAGE_SIZE")
    assert used.of_slot(0)["own"] == 4096


def test_a_number_that_another_process_has_got_is_not_read() -> None:
    kernel = {7: {"start_ticks": 1, "user_ticks": 300}}
    used = usages(kernel)
    used.sample([(0, 1, 7)], 10.0)
    kernel[7] = {"start_ticks": 5, "user_ticks": 9000}
    used.sample([(0, 1, 7)], 12.0)
    assert used.of_slot(0)["cpu_user"] == 300 / os.sysconf("SC_CLK_TCK")


def test_what_may_not_be_read_is_missing_and_what_was_read_stays() -> None:
    kernel = {7: {"start_ticks": 1, "user_ticks": 1, "read_bytes": 10}}
    used = usages(kernel)
    used.sample([(0, 1, 7)], 10.0)
    kernel[7] = {"start_ticks": 1, "user_ticks": 2}
    used.sample([(0, 1, 7)], 12.0)
    assert used.of_slot(0)["read_bytes"] == 10
    assert "written_bytes" not in used.of_slot(0)
