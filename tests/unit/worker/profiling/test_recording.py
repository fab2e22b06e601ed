"""What workers record: bounded, readable after any end, and never a danger to them."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import pytest

from tamias.worker.profiling import recording
from tamias.worker.profiling.profile import Frame, Profile
from tamias.worker.profiling.recording import (
    Request,
    Stretch,
    StretchFile,
    requests_in,
    stretches_in,
)

if TYPE_CHECKING:
    from pathlib import Path


def stretch(began: float) -> Stretch:
    """Ten seconds of a worker."""
    profile = Profile({(Frame("action work"), Frame("f", "agent.py", 3)): 10.0})
    return Stretch(began, 10.0, 2, 77, 1, 200, profile, Profile(), Profile())


def test_a_record_is_bounded_and_has_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "_MOST_STRETCHES", 5)
    path = tmp_path / "profiles" / "worker-2.jsonl"
    for number in range(23):
        StretchFile(path).append(stretch(number))  # of another life each
    began = [each.began for each in stretches_in(path)]
    assert began == list(range(15, 23))
    assert next(stretches_in(path)).wall.seconds == stretch(0).wall.seconds


def test_a_line_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "worker-2.jsonl"
    path.write_bytes(stretch(1).encode() + stretch(2).encode()[:-40] + b"\n" + stretch(3).encode())
    assert [each.began for each in stretches_in(path)] == [1, 3]


def test_what_cannot_be_written_is_counted(tmp_path: Path) -> None:
    (tmp_path / "profiles").write_text("in the way")
    file = StretchFile(tmp_path / "profiles" / "worker-2.jsonl")
    file.append(stretch(1))
    assert file.failures == 1


def test_a_request_concerns_its_worker_until_it_is_too_old(tmp_path: Path) -> None:
    now = time.time()
    for_all = Request("all", 100, 5, until=now + 10)
    for_one = Request("one", 100, 5, slot=3, until=now + 10)
    too_old = Request("old", 100, 5, until=now - 1)
    for request in (for_all, for_one, too_old):
        request.write(tmp_path)
    assert list(requests_in(tmp_path, 3, now)) == [for_all, for_one]
    assert list(requests_in(tmp_path, 4, now)) == [for_all]
    for_all.answer(tmp_path, 3).write_text("an answer")
    for request in (for_all, for_one, too_old):
        request.remove(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"id": "x"}',
        b'{"id": "x", "hz": 0, "seconds": 1, "until": 9e12}',
        b'{"id": "x", "hz": 1e9, "seconds": 1, "until": 9e12}',
        b'{"id": "../y", "hz": 10, "seconds": 1, "until": 9e12}',
        json.dumps({"id": "x", "hz": "many", "seconds": 1, "until": 9e12}).encode(),
    ],
)
def test_what_is_no_request_is_passed_over(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "x.json").write_bytes(content)
    assert list(requests_in(tmp_path, 0, time.time())) == []


def test_only_stretches_of_a_time_are_read(tmp_path: Path) -> None:
    path = tmp_path / "worker-0.jsonl"
    path.write_bytes(b"".join(stretch(float(at)).encode() for at in range(0, 100, 10)))
    assert [each.began for each in stretches_in(path, 25.0, 50.0)] == [20, 30, 40, 50]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user")
def test_what_root_asks_can_be_read_by_the_user_of_the_workers(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    request = Request("all", 100, 5, until=time.time() + 10)
    before = os.umask(0o077)
    try:
        request.write(tmp_path / "profiles")
    finally:
        os.umask(before)
    made = [path for path in tmp_path.rglob("*") if path.is_file() or path.is_dir()]
    assert {path.stat().st_uid for path in made} == {65534}
    assert len(made) == 4
