"""CSV: rows become JSON objects, malformed rows stop nothing, reading begins again anywhere."""

from __future__ import annotations

import csv
import io
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import SHARED_FIXTURE, examples
from tamias.agent.errors import InputError, UsageError
from tamias.launcher.delivery.source import Position, Record, Source
from tamias.launcher.sources.csvfile import CsvSource
from tamias.launcher.sources.factory import open_source
from tamias.store.encoding.keys import decode_key

if TYPE_CHECKING:
    from pathlib import Path

same_folder = settings(
    suppress_health_check=SHARED_FIXTURE,
    max_examples=examples(200),
)

CELLS = st.text(st.sampled_from('ab,"\n\r é'), max_size=5)


def drain(source: Source, limit: int = 100) -> list[Record]:
    records = []
    while batch := source.read(limit):
        assert len(batch) <= limit
        records += batch
    assert source.exhausted
    return records


def read(path: Path, content: bytes, key: str = "id") -> list[Record]:
    path.write_bytes(content)
    with CsvSource(str(path), key) as source:
        return drain(source)


def rows(path: Path, content: bytes, key: str = "id") -> list[dict[str, Any]]:
    records = read(path, content, key)
    assert all(fault is None for _, _, fault in records)
    found = [json.loads(payload) for _, payload, _ in records]
    assert [decode_key(encoded) for encoded, _, _ in records] == [row[key] for row in found]
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.csv"


def test_rows_become_objects_of_strings_and_empty_cells_null(path: Path) -> None:
    assert rows(path, b'id,n,x\n1,007,1.5\n2,,""\n') == [
        {"id": "1", "n": "007", "x": "1.5"},
        {"id": "2", "n": None, "x": None},
    ]


def test_quoting_line_breaks_crlf_byte_order_mark_and_no_last_newline(path: Path) -> None:
    content = b'\xef\xbb\xbfid,text\r\n1,"a, ""b""\r\nc\n"\r\n\r\n2,5" pipe'
    assert rows(path, content) == [
        {"id": "1", "text": 'a, "b"\r\nc\n'},
        {"id": "2", "text": '5" pipe'},
    ]


def test_a_row_without_a_key_has_the_null_key(path: Path) -> None:
    assert rows(path, b"id,x\n,1\n") == [{"id": None, "x": "1"}]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (b"1", "1 cells where the header has 2"),
        (b"1,2,3", "3 cells where the header has 2"),
        (b"1,\xff", "not UTF-8"),
        (b'1,"a"b', "not CSV"),
        (b'1,"a', "not CSV"),
    ],
)
def test_a_malformed_row_is_set_aside_whole_and_stops_nothing(
    path: Path, row: bytes, complaint: str
) -> None:
    records = read(path, b"id,x\n1,a\n" + row + b"\n2,b\n3,c\n")
    assert [fault is None for _, _, fault in records] == [True, False, True, True]
    key, payload, fault = records[1]
    assert payload == row
    assert fault is not None
    assert fault.startswith("line 3: ")
    assert complaint in fault
    assert decode_key(key) == "input#1"
    assert [json.loads(payload)["id"] for _, payload, _ in records[2:]] == ["2", "3"]


def test_an_open_quote_costs_its_own_line_and_not_the_rest_of_a_long_file(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b'id,x\n0,"open\n')
        file.writelines(b"%d,%b\n" % (n, b"text " * 40) for n in range(60_000))
    with CsvSource(str(path), "id") as source:
        first = source.read(1)
        assert first[0][1:] == (b'0,"open', "line 2: not CSV: a quoted cell does not end")
        rest = drain(source, 1000)
    assert len(rest) == 60_000
    assert all(fault is None for _, _, fault in rest)


def test_cells_of_any_size_pass_and_the_limit_of_the_process_stays(path: Path) -> None:
    before = csv.field_size_limit()
    text = "x" * (64 << 20)
    [row] = rows(path, b"id,x\n1," + text.encode() + b"\n")
    assert row["x"] == text
    assert csv.field_size_limit() == before


@given(
    table=st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=15),
    broken=st.lists(st.sampled_from([b'"', b'x,"y', b"a,b,c", b"\xff,1", b""]), max_size=3),
    limits=st.data(),
)
@same_folder
def test_reading_on_from_any_position_gives_the_rest(
    tmp_path: Path, table: list[list[str]], broken: list[bytes], limits: st.DataObject
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows([["id", "x"], *table])
    path = tmp_path / "any.csv"
    path.write_bytes(text.getvalue().encode() + b"\n".join((*broken, b"")))
    with CsvSource(str(path), "id") as source:
        whole = drain(source)
    if not broken:
        assert [list(json.loads(payload).values()) for _, payload, _ in whole] == [
            [cell or None for cell in row] for row in table
        ]
    done: list[Record] = []
    with CsvSource(str(path), "id") as source:
        while True:
            assert source.position.offset == len(done)
            with CsvSource(str(path), "id") as later:
                later.seek(Position(*json.loads(json.dumps(source.position))))
                assert done + drain(later) == whole
            batch = source.read(limits.draw(st.integers(1, 5)))
            if not batch:
                break
            done += batch


def test_a_position_from_before_the_header_begins_at_the_first_row(path: Path) -> None:
    path.write_bytes(b"\xef\xbb\xbfid\n1\n2\n")
    with CsvSource(str(path), "id") as source:
        source.seek(Position(0))
        assert len(drain(source)) == 2


def test_a_mistyped_column_is_said_with_the_columns_there_are(path: Path) -> None:
    path.write_bytes(b"tailnum,carrier\n")
    with pytest.raises(InputError, match=r"has 'tailnum', 'carrier'.*mean 'tailnum'"):
        CsvSource(str(path), "tail_num")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b"", "empty"), (b"\n\n", "empty"), (b"id,a,a\n", "more than once"), (b'"id', "header")],
)
def test_a_useless_header_is_said(path: Path, content: bytes, complaint: str) -> None:
    path.write_bytes(content)
    with pytest.raises(InputError, match=complaint):
        CsvSource(str(path), "id")


def test_the_time_for_a_header_follows_its_length(path: Path) -> None:
    columns = 30_000
    header = ",".join(["id", *(f"column {n}" for n in range(1, columns))])
    path.write_text(f"{header}\n{','.join('1' * columns)}\n")
    begun = time.process_time()
    with CsvSource(str(path), "id") as source:
        assert len(source.read(1)) == 1
    assert time.process_time() - begun < 3


def test_formats_are_told_by_suffix_or_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes(b"key\tx\n1\t2\n")
    with open_source(str(tmp_path / "a.tsv")) as source:
        assert source.read(9) == [(b"s1", b'{"key":"1","x":"2"}', None)]
    (tmp_path / "a.txt").write_bytes(b"key,x\n1,2\n")
    with open_source(str(tmp_path / "a.txt"), input_format="csv") as source:
        assert source.read(9) == [(b"s1", b'{"key":"1","x":"2"}', None)]
    with pytest.raises(UsageError, match="no input format 'xml'"):
        open_source(str(tmp_path / "a.txt"), input_format="xml")
