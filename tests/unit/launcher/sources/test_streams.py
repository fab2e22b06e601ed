"""Pipes: what has arrived flows on, nothing waits, a stream read again is passed over."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import SHARED_FIXTURE, examples
from tamias.agent.errors import InputError
from tamias.launcher.delivery.source import Position, Record, Source
from tamias.launcher.sources.factory import open_source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

same_folder = settings(
    suppress_health_check=SHARED_FIXTURE,
    max_examples=examples(60),
)


class Pipe:
    """A named pipe: what is written to it arrives at a source that opened it."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        # Opened for both, so that neither end waits for the other to be opened.
        self._keep = os.open(path, os.O_RDWR)
        self._end = os.open(path, os.O_WRONLY)
        self.path = str(path)

    def write(self, data: bytes) -> None:
        assert os.write(self._end, data) == len(data)

    def finish(self) -> None:
        os.close(self._keep)
        os.close(self._end)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    pipe = Pipe(tmp_path / "pipe")
    yield pipe
    with contextlib.suppress(OSError):
        pipe.finish()


def drain(source: Source) -> list[Record]:
    records: list[Record] = []
    while True:
        batch = source.read(3)
        records += batch
        if not batch:
            if source.exhausted:
                return records
            descriptor = source.fileno()
            assert descriptor is not None
            select.select([descriptor], [], [])


def test_lines_flow_as_they_arrive(pipe: Pipe) -> None:
    with open_source(pipe.path) as source:
        assert source.read(10) == []
        assert not source.exhausted
        pipe.write(b'{"key":1,"value":1}\n{"key":2,')
        assert [key for key, _, _ in source.read(10)] == [b"i1"]
        assert source.read(10) == []
        pipe.write(b'"value":2}\n{"key":3,"value":3}')
        assert [key for key, _, _ in source.read(10)] == [b"i2"]
        assert source.read(10) == []
        assert not source.exhausted
        pipe.finish()
        assert [key for key, _, _ in source.read(10)] == [b"i3"]
        assert source.read(10) == []
        assert source.exhausted


def test_nothing_is_waited_for_while_there_are_lines_in_hand(pipe: Pipe) -> None:
    for kind, row in (("json", b'{"key":1,"value":1}\n'), ("csv", b"key\n")):
        with open_source(pipe.path, None, kind) as source:
            pipe.write(row * 5)
            while source.read(2):
                assert source.fileno() is None or source.read(2) == []
            assert source.fileno() is not None
            assert not source.exhausted


def test_rows_flow_as_they_arrive_even_in_the_middle_of_a_cell(pipe: Pipe) -> None:
    with open_source(pipe.path, "id", "csv") as source:
        assert source.read(10) == []
        pipe.write(b"id,")
        assert source.read(10) == []
        pipe.write(b'x\n1,"a\nb')
        assert source.read(10) == []
        pipe.write(b'\nc"\n2,y\n')
        assert [payload for _, payload, _ in source.read(10)] == [
            b'{"id":"1","x":"a\\nb\\nc"}',
            b'{"id":"2","x":"y"}',
        ]
        pipe.write(b'3,"open\n4,z\n')
        assert source.read(10) == []
        pipe.finish()
        (_, bad, fault), (_, good, _) = source.read(10)
        assert (bad, fault) == (b'3,"open', "line 6: not CSV: unexpected end of data")
        assert good == b'{"id":"4","x":"z"}'


JSON_TEXT = b'\xef\xbb\xbf{"key":1,"value":1}\n\nbad\n{"key":2,"value":"' + b"x" * 50 + b'"}\r\n{}'
CSV_TEXT = b'\xef\xbb\xbfid,"x\ny"\n1,"a\n\nb"\n\n2\n3,"c\n4,d'


@pytest.mark.parametrize(("text", "kind"), [(JSON_TEXT, "json"), (CSV_TEXT, "csv")])
@given(cuts=st.lists(st.integers(0, 60), max_size=12), stop=st.integers(0, 5))
@same_folder
def test_a_stream_is_the_same_however_it_is_cut_and_wherever_it_goes_on(
    tmp_path: Path, text: bytes, kind: str, cuts: list[int], stop: int
) -> None:
    key = "id" if kind == "csv" else None
    file = tmp_path / "same"
    file.write_bytes(text)
    with open_source(str(file), key, kind) as source:
        whole = drain(source)
        rest = whole[stop:]
    with open_source(str(file), key, kind) as source:
        for _ in range(stop):
            source.read(1)
        stop_at = len(whole) - len(rest)
        position = Position(*json.loads(json.dumps(source.position)))
    path = tmp_path / "cut"
    path.unlink(missing_ok=True)
    pipe = Pipe(path)
    with open_source(pipe.path, key, kind) as source:
        source.seek(position)
        assert source.position == position
        found = []
        edges = sorted({0, *cuts, len(text)})
        for begin, end in itertools.pairwise(edges):
            if text[begin:end]:
                pipe.write(text[begin:end])
            found += source.read(2)
            # A checkpoint taken now, before a stream has caught up, must not fall back behind.
            assert source.position.offset == stop_at + len(found)
            with open_source(str(file), key, kind) as later:
                later.seek(source.position)
                assert drain(later) == whole[source.position.offset :]
        pipe.finish()
        found += drain(source)
        assert found == rest
        assert source.position.offset == len(whole) or not rest


@pytest.mark.parametrize(
    "text", [b'{"key":"longer line","value":1}\n' * 3, b'{"key":1,"value":1}\n']
)
def test_another_stream_than_before_is_an_error(pipe: Pipe, text: bytes) -> None:
    with open_source(pipe.path) as source:
        source.seek(Position(2, 40, 2))
        pipe.write(text)
        pipe.finish()
        with pytest.raises(InputError, match="not what this job was begun with"):
            drain(source)


def test_a_stream_is_told_from_a_file(pipe: Pipe, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with open_source(pipe.path) as stream, open_source(str(file)) as source:
        stream.check(stream.identity())
        with pytest.raises(InputError, match="begun with the input"):
            source.check(stream.identity())
        with pytest.raises(InputError, match="begun with the input"):
            stream.check(source.identity())


@pytest.mark.process
def test_standard_input_is_read_to_its_end_and_left_open() -> None:
    program = """
import os
from tamias.launcher.sources.factory import open_source
with open_source("-", "id", "csv") as source:
    count = 0
    while not source.exhausted:
        count += len(source.read(100))
os.fstat(0)
print(count, source.identity())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=b"id\n" + b"1\n" * 5000,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"5000 {'path': '-'}\n"
