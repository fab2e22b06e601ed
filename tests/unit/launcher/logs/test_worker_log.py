"""The log of workers: bounded while they write to it, and read while it is cut."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tamias.launcher.logs.log_reader import LogLine, LogReader, keep_log
from tamias.launcher.logs.worker_log import WorkerLog, earlier_log

if TYPE_CHECKING:
    from pathlib import Path


def texts(reader: LogReader) -> list[str]:
    return [line.text for line in reader.lines()]


def test_a_log_is_bounded_and_nothing_is_skipped_by_its_readers(tmp_path: Path) -> None:
    path = tmp_path / "pool.log"
    with WorkerLog(path, 2000) as log:
        reader = LogReader(path)
        read, written = [], []
        for number in range(2000):
            written.append(f"line {number}")
            log.file.write(f"line {number}\n".encode())
            log.file.flush()
            log.bound()
            if number % 50 == 0:
                read += texts(reader)
            assert path.stat().st_size <= 1010
        read += texts(reader)
    assert read == written
    assert 1000 < earlier_log(path).stat().st_size < 1020
    kept = texts(LogReader(path))
    assert kept == written[-len(kept) :]
    assert len(kept) > 100


def test_a_burst_leaves_its_end(tmp_path: Path) -> None:
    path = tmp_path / "pool.log"
    with WorkerLog(path, 2000) as log:
        log.file.write(b"x" * 50_000 + b"\nend\n")
        log.file.flush()
        log.bound()
    assert earlier_log(path).stat().st_size == 1000
    assert texts(LogReader(path))[-1] == "end"


def test_without_a_limit_and_where_it_leads_to_another_file_it_is_not_cut(tmp_path: Path) -> None:
    target = tmp_path / "elsewhere"
    target.touch()
    (tmp_path / "link.log").symlink_to(target)
    for path, limit in ((tmp_path / "pool.log", 0), (tmp_path / "link.log", 10)):
        with WorkerLog(path, limit) as log:
            log.file.write(b"x" * 5000)
            log.file.flush()
            log.bound()
        assert path.stat().st_size == 5000


def test_a_disk_that_is_full_is_survived(tmp_path: Path) -> None:
    path = tmp_path / "pool.log"
    path.with_name("pool.log.1.new").mkdir()
    with WorkerLog(path, 10) as log:
        log.file.write(b"x" * 50)
        log.file.flush()
        log.bound()
        log.bound()
    assert path.stat().st_size == 50


def test_labels_are_read() -> None:
    full = "[worker 3, input 17, key 'k] 3'] text"
    assert LogLine.parse(full) == LogLine(full, 3, 17, "'k] 3'")
    assert LogLine.parse("[worker 3] text") == LogLine("[worker 3] text", 3)
    assert LogLine.parse("[worker 3, input 5] text").offset == 5
    assert LogLine.parse("[zygote] text").worker is None
    assert LogLine.parse("text").text == "text"


def test_a_log_that_is_about_to_be_deleted_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "pool.log"
    assert keep_log(path) is None
    path.touch()
    assert keep_log(path) is None
    earlier_log(path).write_text("before\n")
    path.write_text("after\n")
    kept = keep_log(path)
    assert kept is not None
    assert kept.read_text() == "before\nafter\n"
    kept.unlink()
