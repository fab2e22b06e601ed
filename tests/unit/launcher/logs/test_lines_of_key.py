"""The lines of a log that name one key."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.launcher.logs.lines_of_key import count_lines, names_key, remove_lines

if TYPE_CHECKING:
    from pathlib import Path

LINES = [
    "[worker 0, input 3, key 'ada'] says hello",
    "[worker 0, input 3, key 'ada'] and this",
    "[worker 1, input 4, key 'adam'] is another one",
    "[worker 1, input 4, key 7] a number",
    "[worker 1, input 4, key 70] a larger number",
    "ignored input 5 (key 'ada'): ValueError",
    "[zygote] ada in a text",
    "\udcff no UTF-8",
]


def test_lines_that_name_the_key_are_removed_in_both_files(tmp_path: Path) -> None:
    log = tmp_path / "pool.log"
    text = "\n".join(LINES).encode(errors="surrogateescape") + b"\nno end"
    for path in (log, tmp_path / "pool.log.1"):
        path.write_bytes(text)
        path.chmod(0o600)
    assert count_lines(log, "ada") == 6
    assert log.read_bytes() == text
    assert remove_lines(log, "ada") == 6
    assert count_lines(log, "ada") == 0
    kept = log.read_bytes().splitlines()
    assert len(kept) == 6
    assert kept[-1] == b"no end"
    assert log.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"pool.log", "pool.log.1"}


@pytest.mark.parametrize(
    ("key", "named"), [(7, 1), (70, 1), ("adam", 1), ("a.a", 0), (("ada", 1), 0), (None, 0)]
)
def test_only_this_key_is_meant(key: object, named: int) -> None:
    assert sum(map(names_key(key), LINES)) == named


def test_there_need_be_no_log(tmp_path: Path) -> None:
    assert remove_lines(tmp_path / "pool.log", "ada") == 0
