"""JSON lines: what is a record, what is malformed, and where reading can begin again."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import SHARED_FIXTURE, examples
from tamias.agent.errors import InputError
from tamias.launcher.delivery.source import Position, Record, Source
from tamias.launcher.sources.factory import open_source
from tamias.launcher.sources.jsonlines import JsonLinesSource
from tamias.launcher.sources.lines import NO_TEXT
from tamias.store.encoding.codec import make_decoder
from tamias.store.encoding.keys import decode_key

if TYPE_CHECKING:
    from pathlib import Path

same_folder = settings(
    suppress_health_check=SHARED_FIXTURE,
    max_examples=examples(200),
)

# Any line a file may hold: sound, unusual, malformed, blank, not text.
LINES = st.one_of(
    st.builds(
        lambda key, value: json.dumps({"key": key, "value": value}).encode(),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        st.none() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=3),
    ),
    st.sampled_from([b"", b"  ", b"\r", b"{", b"[1]", b'{"key":1}', b'{"k":1,"v":2}\r', b"\xff"]),
    st.binary(max_size=8).map(lambda line: line.replace(b"\n", b"")),
)


def drain(source: Source, limit: int = 100) -> list[Record]:
    records = []
    while batch := source.read(limit):
        assert len(batch) <= limit
        records += batch
    assert source.exhausted
    return records


def read(path: Path, content: bytes, key: str | None = None) -> list[Record]:
    path.write_bytes(content)
    with JsonLinesSource(str(path), key) as source:
        return drain(source)


def inputs(path: Path, content: bytes, key: str | None = None) -> list[tuple[Any, Any]]:
    """Key and value as an agent would see them."""
    decode = make_decoder("json-value" if key is None else "json-object")
    records = read(path, content, key)
    assert all(fault is None for _, _, fault in records)
    return [(decode_key(key), decode(payload)) for key, payload, _ in records]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "in.jsonl"


def test_a_pair_per_line(path: Path) -> None:
    content = b'{"key": "a", "value": 1}\n{"value": {"x": [2]}, "key": 7, "more": 0}\n'
    assert inputs(path, content) == [("a", 1), (7, {"x": [2]})]


def test_short_names_are_understood(path: Path) -> None:
    assert inputs(path, b'{"k": "a", "v": 1}\n{"key": "b", "v": null}') == [("a", 1), ("b", None)]


def test_a_named_key_field_makes_the_whole_object_the_value(path: Path) -> None:
    content = b'{"plane": "N1", "late": 3}\n{"plane": null}\n'
    assert inputs(path, content, "plane") == [
        ("N1", {"plane": "N1", "late": 3}),
        (None, {"plane": None}),
    ]


@pytest.mark.parametrize("key", ["text", "", "é\U0001f600", 0, -5, 1.5, True, False, None])
def test_every_scalar_is_a_key_of_its_own(path: Path, key: object) -> None:
    [(found, _)] = inputs(path, json.dumps({"key": key, "value": 0}).encode())
    assert found == key
    assert type(found) is type(key)


def test_equal_looking_keys_of_different_types_are_different(path: Path) -> None:
    content = b"".join(b'{"key":%b,"value":0}\n' % key for key in (b"1", b"1.0", b"true", b'"1"'))
    assert len({key for key, _, _ in read(path, content)}) == 4


def test_numbers_beyond_64_bits_keep_all_digits(path: Path) -> None:
    big, other = 10**25 + 1, 10**25 + 2
    content = b'{"key":%d,"value":%d}\n{"key":-%d,"value":[-%d]}\n' % (big, other, other, big)
    assert inputs(path, content) == [(big, other), (-other, [-big])]


def test_nan_is_read(path: Path) -> None:
    [(_, value)] = inputs(path, b'{"key": "a", "value": [NaN, -Infinity]}')
    assert str(value) == "[nan, -inf]"


def test_blank_lines_crlf_byte_order_mark_and_no_last_newline(path: Path) -> None:
    content = b'\xef\xbb\xbf\r\n{"key":1,"value":2}\r\n \r\n\n{"key":3,"value":4}'
    assert inputs(path, content) == [(1, 2), (3, 4)]


def test_an_empty_file_has_no_records(path: Path) -> None:
    assert read(path, b"") == []
    assert read(path, b"\n\n") == []


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"nonsense", "not JSON"),
        (b'{"key": "a", "value": ', "not JSON"),
        (b'{"key": "\xff", "value": 1}', "not JSON"),
        (b'{"key": "\\ud800", "value": 1', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"key": 1, "value": ' + b"9" * 10_000 + b"}", "not JSON"),
        (b"[1, 2]", "an array, not a JSON object"),
        (b"null", "null, not a JSON object"),
        (b"3", "a number, not a JSON object"),
        (b'{"value": 1}', "no field 'key' or 'k' (--key names another one)"),
        (b'{"key": "a"}', "no field 'value' or 'v' (with --key key the whole"),
        (b'{"k": "a"}', "no field 'value' or 'v' (with --key k the whole"),
        (b'{"key": ["a"], "value": 1}', "is an array: a key is a scalar"),
        (b'{"key": {"a": 1}, "value": 1}', "is an object: a key is a scalar"),
    ],
)
def test_a_malformed_line_is_set_aside_whole_and_stops_nothing(
    path: Path, line: bytes, complaint: str
) -> None:
    sound = b'{"key": "a", "value": 1}'
    before, malformed, after = read(path, b"\n".join([sound, line, sound]))
    assert before == after == (b"sa", sound, None)
    key, payload, fault = malformed
    assert payload == line
    assert fault is not None
    assert fault.startswith("line 2: ")
    assert complaint in fault
    assert "\n" not in fault
    assert decode_key(key) == "input#1"


def test_a_missing_key_field_is_named(path: Path) -> None:
    [(_, _, fault)] = read(path, b'{"plan": 1}', "plane")
    assert fault == "line 1: it has no field 'plane'"


def test_lines_of_64_mib_pass(path: Path) -> None:
    huge = b'{"key":"a","value":"' + b"x" * (64 << 20) + b'"}'
    with path.open("wb") as file:
        file.write(b'{"key":"b","value":1}\n' + huge + b'\n{"key":"c","value":1}\n')
    with JsonLinesSource(str(path)) as source:
        first, second, third = drain(source)
    assert second == (b"sa", huge, None)
    assert (first[0], third[0]) == (b"sb", b"sc")


@given(lines=st.lists(LINES, max_size=30), end=st.sampled_from([b"\n", b""]), limits=st.data())
@same_folder
def test_reading_on_from_any_position_gives_the_rest(
    tmp_path: Path, lines: list[bytes], end: bytes, limits: st.DataObject
) -> None:
    path = tmp_path / "any.jsonl"
    content = b"\n".join(lines) + end
    # Hypothesis draws from the constants of the code too, so a line may begin as an archive does.
    if content.startswith((b"\xef\xbb\xbf", *NO_TEXT)):
        content = b"?" + content
    path.write_bytes(content)
    with JsonLinesSource(str(path)) as source:
        whole = drain(source)
        left = bool(source.left)
    # What is not blank is a record, in its place, or the last line and left.
    assert len(whole) + left == len([line for line in content.split(b"\n") if line.strip()])
    done: list[Record] = []
    with JsonLinesSource(str(path)) as source:
        while True:
            assert source.position.offset == len(done)
            with JsonLinesSource(str(path)) as later:
                later.seek(Position(*json.loads(json.dumps(source.position))))
                assert done + drain(later) == whole
            batch = source.read(limits.draw(st.integers(1, 7)))
            if not batch:
                break
            done += batch
    assert left or source.position.byte == len(content)


def test_gzip_is_read_and_sought(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.writelines(b'{"key":%d,"value":0}\n' % n for n in range(1000))
    with open_source(str(path)) as source:
        first = source.read(300)
        position = source.position
        rest = drain(source)
    with open_source(str(path)) as source:
        source.seek(position)
        assert drain(source) == rest
    assert [decode_key(key) for key, _, _ in first + rest] == list(range(1000))


def test_damaged_gzip_is_an_error_after_what_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    lines = b"".join(
        b'{"key":%d,"value":"%b"}\n' % (n, os.urandom(20).hex().encode()) for n in range(50_000)
    )
    path.write_bytes(gzip.compress(lines)[:-100_000])
    with open_source(str(path)) as source, pytest.raises(InputError, match="cannot be read after"):
        drain(source)
    assert source.position.offset > 1000


def test_a_file_that_grew_is_the_same_input(path: Path) -> None:
    path.write_bytes(b'{"key":1,"value":1}\n')
    with JsonLinesSource(str(path)) as source:
        identity = json.loads(json.dumps(source.identity()))
        drain(source)
        position = source.position
    with path.open("ab") as file:
        file.write(b'{"key":2,"value":2}\n' * 5000)
    with JsonLinesSource(str(path)) as source:
        source.check(identity)
        source.seek(position)
        assert len(drain(source)) == 5000


@pytest.mark.parametrize("content", [b'{"key":9,"value":1}\n', b'{"key":1', b""])
def test_a_file_that_changed_is_another_input(path: Path, content: bytes) -> None:
    path.write_bytes(b'{"key":1,"value":1}\n')
    with JsonLinesSource(str(path)) as source:
        identity = source.identity()
    path.write_bytes(content)
    with JsonLinesSource(str(path)) as source, pytest.raises(InputError, match="not the one"):
        source.check(identity)


def test_a_position_behind_the_end_is_an_error(path: Path) -> None:
    path.write_bytes(b'{"key":1,"value":1}\n')
    with JsonLinesSource(str(path)) as source, pytest.raises(InputError, match="ends at byte 20"):
        source.seek(Position(2, 40, 2))


def test_the_fraction_follows_the_bytes(path: Path) -> None:
    path.write_bytes(b'{"key":1,"value":1}\n' * 4)
    with JsonLinesSource(str(path)) as source:
        assert source.fraction() == 0
        source.read(1)
        assert source.fraction() == 0.25
        drain(source)
        assert source.fraction() == 1


def test_what_cannot_be_opened_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no input"):
        JsonLinesSource(str(tmp_path / "none.jsonl"))
    with pytest.raises(InputError, match="is a directory"):
        JsonLinesSource(str(tmp_path))


def test_utf16_is_said(path: Path) -> None:
    path.write_bytes('{"key": 1, "value": 2}\n'.encode("utf-16"))
    with JsonLinesSource(str(path)) as source, pytest.raises(InputError, match="UTF-16"):
        source.read(1)


@pytest.mark.parametrize(
    ("beginning", "said"),
    [
        (gzip.compress(b'{"key":1,"value":1}\n'), "compressed by gzip"),
        (bz2.compress(b'{"key":1,"value":1}\n'), "compressed by bzip2"),
        (lzma.compress(b'{"key":1,"value":1}\n'), "compressed by xz"),
        (b"\x28\xb5\x2f\xfd\x24", "compressed by zstd"),
        (b"PK\x03\x04\x14", "a ZIP file"),
        (b"PAR1\x15\x04", "a Parquet file"),
    ],
    # Bytes make no good names: gzip writes the time into them, so that two processes that
    # collect the tests in two seconds would disagree about what there is to run.
    ids=["gzip", "bzip2", "xz", "zstd", "zip", "parquet"],
)
def test_what_is_no_text_is_said(path: Path, beginning: bytes, said: str) -> None:
    path.write_bytes(beginning)
    with JsonLinesSource(str(path)) as source, pytest.raises(InputError, match=said):
        source.read(1)


def test_a_plain_file_that_is_named_as_compressed_is_said(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl.gz"
    path.write_bytes(b'{"key":1,"value":1}\n')
    with JsonLinesSource(str(path)) as source, pytest.raises(InputError, match="not compressed"):
        source.read(1)


def test_memory_does_not_follow_the_file(path: Path) -> None:
    import tracemalloc

    with path.open("wb") as file:
        for n in range(120_000):
            file.write(b'{"key":"user-%d","value":%d}\n' % (n, n))
    with JsonLinesSource(str(path)) as source:
        tracemalloc.start()
        while source.read(256):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    # The bounded cache of keys is most of it.
    assert peak < 25_000_000
