"""Frames come back as they were packed, and anything else is a FrameError and nothing worse."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.service.protocol import frames
from tamias.service.protocol.frames import FrameError, unpack_answer, unpack_request
from tamias.store.encoding.keys import encode_key

NONCE = b"12345678"
SEQUENCES = st.integers(1, frames.MAX_SEQUENCE)
KEYS = st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.none(), st.booleans())


@given(st.lists(st.tuples(SEQUENCES, KEYS, st.integers()), min_size=1, max_size=5))
def test_submissions(entries: list[tuple[int, object, int]]) -> None:
    sequences = [entry[0] for entry in entries]
    keys = [encode_key(entry[1]) for entry in entries]
    values = [b"%d" % entry[2] for entry in entries]
    for streamed in (False, True):
        frame = unpack_request(
            frames.pack_submit(NONCE, sequences, keys, values, streamed=streamed)
        )
        assert frame == frames.Submit(NONCE, tuple(sequences), keys, values, streamed)


@given(st.binary(min_size=1).map(bytes), st.lists(SEQUENCES, max_size=5))
def test_answers(blob: bytes, sequences: list[int]) -> None:
    outcomes = [blob] * len(sequences)
    replies = unpack_answer(frames.pack_replies(NONCE, sequences, outcomes))
    assert replies == (NONCE, tuple(sequences), outcomes)
    numbers = unpack_answer(frames.pack_numbers(b"F", NONCE, sequences, frames.FULL))
    assert numbers == (b"F", NONCE, frames.FULL, tuple(sequences))
    assert unpack_answer(frames.pack_welcome(NONCE, 1, 2, 3)) == (NONCE, 1, 2, 3)
    assert unpack_answer(frames.pack_rejected(NONCE, 1, "why")) == (NONCE, 1, "why")
    assert unpack_answer(frames.pack_count(b"O", NONCE, 9)) == (b"O", NONCE, 9)


def test_queries() -> None:
    body = b'{"do":"answer","value":[1,null]}'
    assert unpack_request(frames.pack_query(b"Q", NONCE, 5, body)) == (b"Q", NONCE, 5, body)
    assert unpack_answer(frames.pack_query(b"D", NONCE, 5, b"{}")) == (b"D", NONCE, 5, b"{}")
    assert unpack_answer(frames.pack_query(b"L", NONCE, 5, b"{}")) == (b"L", NONCE, 5, b"{}")


def test_hello() -> None:
    frame = unpack_request(frames.pack_hello(NONCE, 7, 1, "käse", anonymous=True))
    assert frame == (NONCE, 7, 1, True, "käse")


SOUND = [
    frames.pack_hello(NONCE, 7, 1, "me", anonymous=False),
    frames.pack_submit(NONCE, [1, 2], [b"sa", b"i1"], [b"1", b'{"a":[1,2]}']),
    frames.pack_count(b"A", NONCE, 3),
    frames.pack_count(b"P", NONCE, 3),
    frames.pack_count(b"K", NONCE, 3),
    frames.pack_query(b"Q", NONCE, 5, b'{"do":"questions"}'),
]


@given(st.sampled_from(SOUND), st.data())
def test_frames_that_were_damaged(sound: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(sound)))
    piece = data.draw(st.binary(max_size=9))
    damaged = sound[:place] + piece + sound[place + data.draw(st.integers(0, 9)) :]
    for unpack in (unpack_request, unpack_answer):
        with suppress(FrameError):
            unpack(damaged)


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    for unpack in (unpack_request, unpack_answer):
        with suppress(FrameError):
            unpack(data)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"S",
        b"Z" + NONCE + bytes(8),
        frames.pack_submit(NONCE, [], [], []),
        frames.pack_submit(NONCE, [0], [b"sa"], [b"1"]),
        frames.pack_submit(NONCE, [1 << 63], [b"sa"], [b"1"]),
        frames.pack_submit(NONCE, [1], [b"?"], [b"1"]),
        frames.pack_submit(NONCE, [1], [b"i0x10"], [b"1"]),
        frames.pack_submit(NONCE, [1], [b"s" + b"a" * frames.MAX_KEY], [b"1"]),
        frames.pack_submit(NONCE, [1], [b"sa"], [b"{"]),
        frames.pack_submit(NONCE, [1], [b"sa"], [b"[" * 200_000]),
        frames.pack_submit(NONCE, [1], [b"sa"], [b"1"]) + b"1",
        struct.pack("<c8sBI", b"S", NONCE, 0, 0xFFFFFFFF),
        struct.pack("<c8sBI", b"S", NONCE, 0, 1) + struct.pack("<QII", 1, 1, 1 << 31) + b"a1",
        frames.pack_hello(NONCE, 7, 1, "", anonymous=False),
        frames.pack_hello(NONCE, 7, 1, "a\0b", anonymous=False),
        frames.pack_hello(NONCE, 7, 1, "x" * 201, anonymous=False),
        frames.pack_count(b"A", NONCE, 3)[:-1],
        frames.pack_query(b"Q", NONCE, 1, b"[1]"),
        frames.pack_query(b"Q", NONCE, 1, b'{"do":'),
        frames.pack_query(b"Q", NONCE, 1, b""),
        frames.pack_query(b"Q", NONCE, 1, b"{}") + b"1",
        frames.pack_query(b"Q", NONCE, 1, b'{"a":' * 200_000),
    ],
)
def test_what_no_frame_may_be(frame: bytes) -> None:
    with pytest.raises(FrameError):
        unpack_request(frame)
