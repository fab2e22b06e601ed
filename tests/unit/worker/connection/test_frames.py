"""Messages are cut out of a stream, wherever what arrives was cut."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.worker.connection.frames import FrameReader, NoMessageError, frame


@given(
    st.lists(st.binary(max_size=40), max_size=8),
    st.lists(st.integers(min_value=1, max_value=30), min_size=1),
)
def test_messages_are_the_same_in_any_pieces(messages: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(map(frame, messages))
    reader, found, position = FrameReader(), [], 0
    while position < len(stream):
        size = sizes[position % len(sizes)]
        found += reader.feed(stream[position : position + size])
        position += size
    assert found == messages
    assert all(type(message) is bytes for message in found)


@pytest.mark.parametrize("begun", [0, 3])
def test_what_is_no_message_is_an_error(begun: int) -> None:
    reader = FrameReader()
    stream = struct.pack("<Q", 1 << 41)
    assert reader.feed(stream[:begun]) == []
    with pytest.raises(NoMessageError):
        reader.feed(stream[begun:])
