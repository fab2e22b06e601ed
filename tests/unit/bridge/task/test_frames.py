"""Frames survive being cut anywhere, and say what was said."""

from __future__ import annotations

import struct
from array import array

from hypothesis import given
from hypothesis import strategies as st

from tamias.bridge.task import frames
from tamias.store.shard.key_groups import IN_MEMORY, IN_NAMES, KeyGroupEntry
from tamias.store.shard.transfer import EntryKind, WaitingEntry

BODIES = st.binary(max_size=200)
U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)


@given(st.lists(st.tuples(st.integers(0, 255), BODIES)), st.data())
def test_a_stream_may_be_cut_anywhere(sent: list[tuple[int, bytes]], data: st.DataObject) -> None:
    stream = b"".join(b"".join(frames.pack(bytes([kind]), body)) for kind, body in sent)
    deframer = frames.Deframer()
    received = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        received += deframer.feed(stream[:cut])
        stream = stream[cut:]
    assert received == [frames.Frame(kind, body) for kind, body in sent]


@given(U64, st.lists(st.tuples(BODIES, BODIES), max_size=20))
def test_inputs(first: int, records: list[tuple[bytes, bytes]]) -> None:
    keys = [key for key, _ in records]
    payloads = [payload for _, payload in records]
    body = b"".join(
        (
            struct.pack("<QII", first, len(records), sum(map(len, keys))),
            array("I", [*map(len, keys), *map(len, payloads)]).tobytes(),
            *keys,
            *payloads,
        )
    )
    inputs = frames.unpack_inputs(body)
    assert inputs == (first, [(key, payload, None) for key, payload in records])


ENTRIES = st.builds(KeyGroupEntry, st.sampled_from([IN_MEMORY, IN_NAMES]), BODIES, BODIES)


@given(st.integers(0, 65535), st.lists(BODIES), st.lists(ENTRIES), U32)
def test_memory(group: int, prefixes: list[bytes], entries: list[KeyGroupEntry], age: int) -> None:
    memory = frames.Memory(group, prefixes, entries)
    body = frames.pack_memory(memory)
    assert frames.unpack_memory(body) == memory
    assert frames.unpack_restored(struct.pack("<I", age) + body) == (age, memory)


@given(st.lists(st.builds(WaitingEntry, st.sampled_from(list(EntryKind)), BODIES, BODIES)))
def test_what_waits(entries: list[WaitingEntry]) -> None:
    assert list(frames.unpack_waiting(frames.pack_waiting(entries))) == entries


@given(U64, st.booleans())
def test_barrier(checkpoint: int, builds: bool) -> None:  # noqa: FBT001 (drawn)
    body = struct.pack("<QB", checkpoint, builds)
    assert frames.unpack_barrier(body) == (checkpoint, builds)


@given(U32, U64, BODIES)
def test_the_place_of_a_record(shard: int, sequence: int, record: bytes) -> None:
    body = frames.pack_place(shard, sequence) + record
    assert frames.unpack_record(body) == (shard, sequence, record)


@given(U64, st.lists(BODIES))
def test_query(checkpoint: int, keys: list[bytes]) -> None:
    lengths = array("I", map(len, keys)).tobytes()
    body = struct.pack("<QI", checkpoint, len(keys)) + lengths + b"".join(keys)
    assert frames.unpack_query(body) == (checkpoint, keys)


@given(st.lists(st.tuples(U64, st.binary(min_size=17, max_size=17), BODIES)))
def test_journal(records: list[tuple[int, bytes, bytes]]) -> None:
    assert list(frames.unpack_journal(frames.pack_journal(records))) == records


@given(st.lists(st.tuples(U64, st.integers(0, 65535), BODIES)))
def test_letters(letters: list[tuple[int, int, bytes]]) -> None:
    assert list(frames.unpack_letters(frames.pack_letters(letters))) == letters


@given(st.lists(st.tuples(st.sampled_from([b"m", b"o", b"e"]), BODIES)))
def test_parts(parts: list[tuple[bytes, bytes]]) -> None:
    assert list(frames.unpack_parts(frames.pack_parts(parts))) == parts
