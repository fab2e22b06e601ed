"""Labels in front of what is printed, and which logging counts."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from support.processes import run
from tamias.worker.process.output import LabelledWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "log", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    yield descriptor
    os.close(descriptor)


def content(descriptor: int) -> bytes:
    return os.pread(descriptor, 1 << 16, 0)


def test_each_line_has_a_label(file: int) -> None:
    writer = LabelledWriter(file, lambda: "worker 3")
    assert writer.write(b"one\ntwo\n") == 8
    assert writer.write(b"") == 0
    writer.write(b"10 %\r20 %\r")
    writer.write(b"100 %\n")
    writer.write(b"last")
    assert content(file).split(b"\n") == [
        b"[worker 3] one",
        b"[worker 3] two",
        b"[worker 3] 10 %\r20 %\r100 %",
        b"[worker 3] last",
    ]


def test_a_label_that_cannot_be_made_does_not_matter(file: int) -> None:
    writer = LabelledWriter(file, lambda: str(1 // 0))
    writer.write(b"one\n")
    assert content(file) == b"one\n"


def test_lines_that_cannot_be_written_are_counted_and_nothing_fails(file: int) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    writer = LabelledWriter(full, lambda: "")
    assert writer.write(b"one\ntwo\n") == 8
    writer.write(b"three\n")
    os.dup2(file, full)  # there is room again
    writer.write(b"four\n")
    writer.write(b"five\n")
    os.close(full)
    assert content(file) == b"[3 lines were lost: No space left on device]\nfour\nfive\n"


START = """
import logging, logging.config, sys
from tamias.worker.process.output import label_output, log_to_output, settle_logging
label_output(lambda: "me")
log_to_output()
"""
END = """
settle_logging()
logging.getLogger("theirs").info("said")
logging.getLogger("tamias.worker").info("ours")
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        ("", ["theirs said", "tamias.worker ours"]),
        ("logging.basicConfig(format='MINE %(message)s', level=10)", ["MINE said", "ours"]),
        ("logging.basicConfig(level='ERROR')", ["ours"]),
        (
            "logging.getLogger('tamias.worker'); logging.config.dictConfig({'version': 1})",
            ["theirs said", "ours"],
        ),
        ("sys.stdout = sys.stderr = None", []),
    ],
)
def test_user_code_configures_logging_and_messages_of_tamias_are_always_there(
    configured: str, expected: list[str]
) -> None:
    done = run(START + configured + END)
    lines = done.stderr.splitlines()
    assert done.returncode == 0
    assert len(lines) == len(expected)
    for line, end in zip(lines, expected, strict=True):
        assert line.startswith("[me] ")
        assert line.endswith(end)


@pytest.mark.process
def test_logging_that_is_configured_later_counts_too() -> None:
    program = START + END + "logging.basicConfig(format='LATER %(message)s')\n" + END
    assert run(program).stderr.splitlines()[2] == "[me] LATER said"
