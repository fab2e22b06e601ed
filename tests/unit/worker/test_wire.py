"""The messages with inputs and with outbox records: what is packed comes back."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tamias.worker import wire

U64 = st.integers(0, 2**64 - 1)
DATA = st.binary(max_size=20)
INPUTS = st.lists(st.tuples(U64, DATA, DATA), min_size=1, max_size=4)


@given(INPUTS, st.booleans())
def test_inputs_come_back(inputs: list[tuple[int, bytes, bytes]], is_rejected: bool) -> None:  # noqa: FBT001
    offsets, keys, payloads = ([*column] for column in zip(*inputs, strict=True))
    rejections: dict[int, dict[str, Any]] = {offsets[0]: {"cause": "x"}} if is_rejected else {}
    message = wire.pack_inputs(offsets, keys, payloads, rejections)
    assert message[:1] == wire.INPUTS
    assert wire.unpack_inputs(message) == (offsets, keys, payloads, rejections)


@given(st.lists(st.tuples(U64, U64, DATA), max_size=4))
def test_records_come_back(records: list[tuple[int, int, bytes]]) -> None:
    message = wire.pack_done(records)
    assert message[:1] == wire.DONE
    assert [(*place, bytes(data)) for *place, data in wire.unpack_done(message)] == records


def _words(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(8, "little") for number in numbers)


def test_one_has_the_form_that_many_have() -> None:
    one = wire.pack_inputs([7], [b"key"], [b"value"])
    assert one == b"I" + _words(1, 3, 7, 3, 5) + b"keyvalue"
    two = wire.pack_inputs([7, 8], [b"key", b"k"], [b"value", b"v"])
    assert two == b"I" + _words(2, 4, 7, 8, 3, 1, 5, 1) + b"keykvaluev"
    assert wire.pack_done([(2, 9, b"one")]) == b"D" + _words(1, 2, 9, 3) + b"one"
    assert wire.pack_due([7], [b"key"]) == b"U" + _words(1, 3, 7, 3, 0) + b"key"
