"""A file that has changed between two lives of a job: grown is fine, anything else is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.agent.errors import InputError
from tamias.launcher.sources.factory import open_source, python_source

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.launcher.delivery.source import Record, Source

CSV = "key,v\na,1\n"
JSON = '{"key":1,"value":2}\n'


def drain(source: Source) -> list[Record]:
    records = []
    while not source.exhausted:
        records += source.read(7)
    return records


def life(path: Path, read: Any = None) -> tuple[list[Record], Any, str]:
    """Read all of a file; what was read, how a later life knows it, why a line was left."""
    with open_source(str(path), "key" if path.suffix == ".csv" else None) as source:
        if read is not None:
            source.expect(json.loads(json.dumps(read)))
        return drain(source), source.read_so_far(), source.left


@pytest.mark.parametrize(
    ("name", "first", "more"),
    [
        ("in.csv", CSV + "b,12", "345\n"),
        ("in.csv", CSV + "b,12", ",\n"),
        ("in.csv", CSV + 'b,"12\n', '3"\nc,1\n'),
        ("in.csv", CSV + "b,1\r\nb,12", "3\r\n"),
        ("in.tsv", "key\tv\nb\t12", "3\n"),
        ("in.jsonl", JSON + '{"key":1,"value":2}', "{}\n"),
    ],
)
def test_a_line_completed_after_it_was_read_is_refused(
    name: str, first: str, more: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(first, newline="")
    _, read, left = life(path)
    assert not left
    path.write_text(first + more, newline="")
    with pytest.raises(InputError, match="has been completed since"):
        life(path, read)


@pytest.mark.parametrize(
    ("name", "first", "half", "more"),
    [
        ("in.csv", CSV, "b", ",12\n"),
        ("in.csv", CSV, 'b,"1', '2"\n'),
        ("in.csv", CSV, 'b,"1', '\n2"\n'),
        ("in.jsonl", JSON, '{"key":1,"va', 'lue":2}\n'),
        ("in.jsonl", JSON, '{"key":1,"value":2', "}\n"),
        ("in.jsonl", "\ufeff", '{"key":1,', '"value":2}\n'),
    ],
)
def test_half_a_line_that_is_not_sound_waits_for_its_end(
    name: str, first: str, half: str, more: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(first, newline="")
    before, _, _ = life(path)
    path.write_text(first + half, newline="")
    records, read, left = life(path)
    assert records == before
    assert "The last line of" in left
    again, read, left = life(path, read)
    assert again == before
    assert left
    path.write_text(first + half + more, newline="")
    records, _, left = life(path, read)
    assert not left
    assert len(records) == len(before) + 1
    assert records[-1][2] is None


@pytest.mark.parametrize(
    ("first", "more"),
    [(CSV + "b,12", "\nc,1\n"), (CSV + "b,12", "\r\n"), (CSV, "b,2\n"), (CSV + "b,12", "")],
)
def test_a_file_may_grow_by_lines(first: str, more: str, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(first, newline="")
    records, read, _ = life(path)
    path.write_text(first + more, newline="")
    assert life(path, read)[0][: len(records)] == records


def test_a_line_that_is_malformed_and_ended_is_a_record(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(JSON + "{\n")
    assert [fault for _, _, fault in life(path)[0]][1] is not None
    path.write_text(JSON + "{}")  # nothing can follow that makes it another line
    assert [fault for _, _, fault in life(path)[0]][1] is not None


@pytest.mark.parametrize("name", ["in.jsonl", "in.jsonl.gz"])
def test_what_was_read_may_not_change(name: str, tmp_path: Path) -> None:
    path = tmp_path / name

    def write(text: str) -> None:
        path.write_bytes(
            gzip.compress(text.encode(), mtime=0) if name.endswith("gz") else text.encode()
        )

    lines = [
        f'{{"key":{n},"value":{os.urandom(20).hex()!r}}}\n'.replace("'", '"') for n in range(9999)
    ]
    write("".join(lines))
    records, read, _ = life(path)
    assert life(path, read)[0] == records
    lines[-5] = lines[-5].replace(":", ": ", 1)
    write("".join(lines))
    with pytest.raises(InputError, match="is not what it was"):
        life(path, read)


@given(
    data=st.data(),
    text=st.lists(st.sampled_from(["a", "b,", "{", "\r"]), max_size=20).map("\n".join),
)
@pytest.mark.usefixtures("tmp_path")
def test_a_stream_is_compared_up_to_where_it_was_read(data: st.DataObject, text: str) -> None:
    cut = data.draw(st.integers(0, 20))
    records: list[Record] = []
    with _piped(text) as first:
        while not first.exhausted and len(records) < cut:
            records += first.read(1)
        seen = first.read_so_far()
    assert seen is not None
    other = data.draw(st.just(text) | st.just(text + "\nmore") | st.text("ab,{\r\n", max_size=30))
    taken = text.encode()[: int(str(seen["byte"]))]
    same = (other.encode() + b"\n").startswith(
        taken + (b"" if taken.endswith(b"\n") else b"\n") if taken else b""
    )
    with _piped(other) as again:
        again.expect(json.loads(json.dumps(seen)))
        try:
            drain(again)
        except InputError:
            assert not same
        else:
            assert same


def _piped(text: str) -> Source:
    """A stream of this text, which fits into a pipe."""
    out, into = os.pipe()
    os.write(into, text.encode())
    os.close(into)
    source = open_source(f"/proc/self/fd/{out}")
    os.close(out)
    return source


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=5,
)
ELEMENTS = st.lists(st.fixed_dictionaries({"key": st.integers(0, 3), "value": PLAIN}), max_size=6)


@given(first=ELEMENTS, second=ELEMENTS, data=st.data(), give=st.sampled_from([iter, list]))
def test_a_changed_list_is_refused_and_a_longer_one_is_not(
    first: list[Any], second: list[Any], data: st.DataObject, give: Any
) -> None:
    second = data.draw(st.sampled_from([second, first + second, json.loads(json.dumps(first))]))
    earlier = python_source(give(first), compared=True)
    drain(earlier)
    read = earlier.read_so_far()
    assert read is not None
    later = python_source(give(second), compared=True)
    try:
        later.expect(read)
        drain(later)
    except InputError:
        assert _contents(second[: len(first)]) != _contents(first)
    else:
        assert _contents(second[: len(first)]) == _contents(first)


def _contents(elements: list[Any]) -> list[tuple[int, str]]:
    """Keys and values; which of the two an element names first makes no difference."""
    return [(element["key"], repr(element["value"])) for element in elements]


def test_what_is_not_plain_data_is_compared_by_its_type() -> None:
    def elements(count: int) -> list[Any]:
        return [{"key": 1, "value": {"a": {"x", f"<{count}"}, "b": io.StringIO, "c": 2**70}}]

    earlier = python_source(elements(1), compared=True)
    drain(earlier)
    read = earlier.read_so_far()
    assert read is not None
    python_source(elements(1), compared=True).expect(read)
    python_source(elements(2), compared=True).expect(read)  # a set of as many
    with pytest.raises(InputError, match="not those"):
        python_source([{"key": 1, "value": {"a": {"x"}}}], compared=True).expect(read)
