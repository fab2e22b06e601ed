"""Rows that are kept from one search to the next."""

from __future__ import annotations

from tamias.store.sets.index.kept_rows import KeptChunks, KeptRows, Rows
from tamias.store.sets.index.vector_chunk import VectorRows


def test_rows_are_those_of_their_version() -> None:
    kept = KeptRows(1000)
    rows = Rows([1, 2], b"abcd")
    kept.put("a", 1, rows)
    assert kept.get("a", 1) is rows
    assert kept.get("a", 2) is None
    assert kept.get("b", 1) is None
    newer = Rows([1], b"ab")
    kept.put("a", 2, newer)
    assert kept.get("a", 1) is None
    assert kept.get("a", 2) is newer


def test_what_was_not_used_for_the_longest_time_goes_first() -> None:
    kept = KeptRows(3 * 18)
    for name in "abc":
        kept.put(name, 1, Rows([1], b"0123456789"))
    assert kept.get("a", 1)
    kept.put("d", 1, Rows([1], b"0123456789"))
    assert [name for name in "abcd" if kept.get(name, 1)] == ["a", "c", "d"]
    for version in range(100):  # what is replaced counts no more
        kept.put("a", version, Rows([1], b"0123456789"))
    assert [name for name in "abcd" if kept.get(name, 1) or kept.get(name, 99)] == ["a", "c", "d"]
    kept.put("large", 1, Rows([1], bytes(100)))
    assert not any(kept.get(name, 1) for name in [*"bcd", "large"])


def chunk(mark: bytes) -> VectorRows:
    places = memoryview(bytes((0, 0, 1, 0))).cast("H")
    pieces = [memoryview(bytearray(mark * 2)), memoryview(bytearray(mark * 2))]
    return VectorRows(2, 2, places, bytes(8), pieces, ())


def test_a_chunk_is_kept_when_it_is_offered_again() -> None:
    kept = KeptChunks(1000)
    rows = chunk(b"a")
    kept.offer("a", 1, rows)
    assert kept.get("a", 1) is None
    kept.offer("a", 2, rows)
    assert kept.get("a", 2) is None
    kept.offer("a", 2, rows)
    rows.small[0][:] = b"xx"  # type: ignore[index]
    found = kept.get("a", 2)
    assert found is not None
    assert (list(found.places), found.small, found.dims) == ([0, 1], (b"aaaa",), 2)
    kept.clear()
    assert kept.get("a", 2) is None


def test_of_more_chunks_than_there_is_room_for_none_is_copied() -> None:
    kept = KeptChunks(4 * 16)
    for _ in range(3):
        for name in "abcde":
            kept.offer(name, 1, chunk(b"a"))
            assert kept.get(name, 1) is None
    for name in "abab":
        kept.offer(name, 1, chunk(b"a"))
    assert kept.get("a", 1)
    assert kept.get("b", 1)
