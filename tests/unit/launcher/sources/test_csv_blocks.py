"""CSV lines that are read in blocks give what they give row by row: records, faults, positions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.profiles import SHARED_FIXTURE, examples
from tamias.launcher.sources.csvfile import CsvSource

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.launcher.delivery.source import Position, Record

HEADERS = (
    *(b"id,a", b"id", b'a,id,"b:"', b'"a\\",id,"x""y",\xc3\xa9'),
    *(b"\xef\xbb\xbfid,,b", b"id,a\r"),
)
PIECES = (
    *(b"a", b"1", b",", b",", b",", b"\n", b"\n", b"\n", b"\r\n", b"\r", b'"', b'""', b'"x"'),
    *(b"a,b\n", b"a,,c\n", b'"q,r",s\n', b'"two\nlines",s\n', b":", b" ", b"a" * 300),
    *(b"\0", b"\t", b"\\", b"\x7f", b"\x1f", b"\xe2\x80\xa8"),
    *(b"\xff", b"\xc3\xa9", b"\xed\xa0\x80"),
)


def read(
    path: Path, limit: int, *, in_blocks: bool, delimiter: str
) -> tuple[list[list[Record]], list[Position], str]:
    """The batches, the positions behind them, and why the end was left."""
    batches, positions = [], []
    with CsvSource(str(path), "id", delimiter=delimiter) as source:
        if not in_blocks:
            source._blocks = None
        while not source.exhausted:
            batches.append(source.read(limit))
            positions.append(source.position)
        return batches, positions, source.left


@given(
    st.sampled_from(HEADERS),
    st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join),
    st.integers(1, 9),
    st.sampled_from((",", "\t")),
)
@example(b"id,a", b'x,1\ny,"open\nz,3\n' + b"u,2\n" * 600, 300, ",")
@example(b"id,a", b"x,1\r\n" * 600 + b"y\r,2\r\n" + b"z,3\r\n", 1000, ",")
@settings(suppress_health_check=SHARED_FIXTURE, max_examples=examples(400))
def test_blocks_change_nothing(
    tmp_path: Path, header: bytes, rows: bytes, limit: int, delimiter: str
) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes((header + b"\n" + rows).replace(b",", delimiter.encode()))
    by_row = read(path, limit, in_blocks=False, delimiter=delimiter)
    assert read(path, limit, in_blocks=True, delimiter=delimiter) == by_row
    assert all(len(batch) <= limit for batch in by_row[0])


@pytest.mark.parametrize("line", [b"x,1", b'"x",1', b"x,\\", b"x,"])
def test_a_block_is_used_for_whole_rows(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "in.csv"
    path.write_bytes(b"id,a\n" + (line + b"\n") * 1000)
    with CsvSource(str(path), "id") as source:
        assert len(source.read(1000)) == 1000
        assert source.position.line == 1001
