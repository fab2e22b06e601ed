"""Numbers that outlive the worker that has written them."""

from __future__ import annotations

import errno
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from tamias.launcher.heartbeats.killed_worker import completed, read_counts
from tamias.worker.metering.cells import NUMBER, Cell, Cells, SharedCounts, read_cells
from tamias.worker.metering.measures import MOST_TIMES, Measures
from tamias.worker.metrics import WorkerMetrics

if TYPE_CHECKING:
    import pytest


@given(st.integers(1 - 2**63, 2**63 - 1) | st.floats(allow_nan=False))
def test_a_number_of_any_kind_is_read_as_it_was_written(number: float) -> None:
    cell = Cell(memoryview(bytearray(8 * NUMBER)))
    cell.write(number)
    assert cell.read() == number
    assert isinstance(cell.read(), float) or isinstance(number, int)


def test_a_large_sum_is_read_as_nearly_what_it_is() -> None:
    cell = Cell(memoryview(bytearray(8 * NUMBER)))
    cell.write(2**70 + 1)
    assert cell.read() == 2.0**70


def test_a_number_may_become_another_kind() -> None:
    cell = Cell(memoryview(bytearray(8 * NUMBER)))
    for number in (1, 0.5, 2):
        cell.write(number)
        assert cell.read() == number


def test_what_was_written_is_found_by_name(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    cells = Cells(path)
    cells.reserve("first", "a", words=3).words[2] = 7
    counts = SharedCounts(cells, "second", ["b"])
    counts["b"] += 2
    counts["ü\n"] = 3
    found = {name: cell.words.tolist() for name, cell in read_cells(path)}
    assert found == {("first", "a"): [0, 0, 7], ("second", "b"): [2], ("second", "ü\n"): [3]}


def test_what_finds_no_room_is_kept_by_the_worker_alone(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    counts = SharedCounts(Cells(path), "names", [f"{n:0100}" for n in range(5000)])
    counts["last"] = 1
    assert len(counts) == 5001
    assert 500 < len([*read_cells(path)]) < 5000


def test_a_full_disk_costs_only_what_a_killed_worker_has_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    SharedCounts(Cells(tmp_path / "counts"), "names")["a"] = 1
    assert read_counts(tmp_path / "counts") is None


def test_a_child_that_was_forked_does_not_count_for_its_parent(tmp_path: Path) -> None:
    path = tmp_path / "counts"
    cells = Cells(path)
    counts = SharedCounts(cells, "executed", ["a"])
    counts["a"] = 1
    cells.become_private()
    counts["a"] += 1
    counts["b"] = 1
    assert counts == {"a": 2, "b": 1}
    assert [(name, cell.words[0]) for name, cell in read_cells(path)] == [(("executed", "a"), 1)]


@given(st.binary(max_size=64), st.integers(0, 4))
def test_a_file_that_was_tampered_with_does_no_harm(content: bytes, place: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counts"
        metrics = WorkerMetrics(["a"], cells=Cells(path))
        metrics.agent.get_histogram("h").update(1.5)
        with path.open("r+b") as file:
            file.seek((0, 8, 64, 131_072, 131_080)[place])
            file.write(content)
        read_counts(path)
        path.write_bytes(content)
        assert read_counts(path) is None


def test_times_that_are_not_taken_yet_are_those_of_one_action() -> None:
    measures = Measures(["a", "b"])
    measures.plain_times("a").words[0] = 1000
    measures.untaken = 1
    assert measures.plain_times("a").words[0] == 1000
    assert measures.executed == {"a": 0, "b": 0}
    measures.plain_times("b").words[0] = 2000
    assert (measures.executed, measures.untaken) == ({"a": 1, "b": 0}, 0)
    measures.untaken = 1
    measures.take_times()
    measures.take_times()
    assert measures.executed == {"a": 1, "b": 1}
    assert measures.durations["b"].total == 2000


def test_all_that_a_worker_reports_is_in_its_file(tmp_path: Path) -> None:
    metrics = WorkerMetrics(["work"], cells=Cells(tmp_path / "counts"))
    times = metrics.measures.plain_times("work")
    for number in range(MOST_TIMES):
        times.words[number] = 1000 + number
    metrics.measures.take_plain_times("work", MOST_TIMES)
    group = metrics.of_action("work")
    group.get_counter("orders").inc(3)
    group.get_counter("orders").inc(0.5)  # type: ignore[arg-type]
    group.get_counter("orders").dec(1)
    group.get_meter("rate").mark(2)
    group.get_gauge("level").update(4)
    for value in (-1, 2.5, 1e300, 0):
        group.get_histogram("sizes").update(value)
    metrics.failures += 2
    metrics.retries += 1
    metrics.dead_letters += 1
    metrics.measures.fail_action("work")
    metrics.measures.set_aside("exception")
    metrics.measures.count_call("calls_made", "work")
    metrics.measures.count_model("chat m", 5, tokens=(1, 2), cost=3, failed=False)
    metrics.measures.count_commit(7, 100, 0.5)
    metrics.events = 7
    reported = json.loads(json.dumps([metrics.snapshot(), metrics.measures.snapshot(7)]))
    found = read_counts(tmp_path / "counts")
    assert found is not None
    assert found["totals"] == metrics.totals()
    measures = {name: values for name, values in reported[1].items() if values}
    assert found["measures"] == measures
    assert found["metrics"].keys() == reported[0].keys()
    for name, value in reported[0].items():
        lost = ("rate", "recent")
        if isinstance(value, dict):
            shown = found["metrics"][name]
            assert {f: v for f, v in shown.items() if f not in lost} == {
                f: v for f, v in value.items() if f not in lost
            }
        else:
            assert found["metrics"][name] == value


def test_counts_never_fall_below_what_was_reported(tmp_path: Path) -> None:
    WorkerMetrics(["work"], cells=Cells(tmp_path / "counts"))
    found = read_counts(tmp_path / "counts")
    assert found is not None
    both = completed({"totals": {"failures": 3}, "active": 2, "failures": {}, "notices": {}}, found)
    assert both["totals"]["failures"] == 3
