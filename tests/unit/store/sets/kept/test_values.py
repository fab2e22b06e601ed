"""Values that are kept from one search to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.processes import forked
from tamias.store.sets.kept.matrices import KeptMatrices
from tamias.store.sets.kept.values import Kept

if TYPE_CHECKING:
    from collections.abc import Callable


def test_values_are_those_of_their_version() -> None:
    kept = Kept[bytearray](1000, len)
    rows = bytearray(b"abcd")
    kept.put("a", 1, rows)
    assert kept.get("a", 1) is rows
    assert kept.get("a", 2) is None
    assert kept.get("b", 1) is None
    newer = bytearray(b"ab")
    kept.put("a", 2, newer)
    assert kept.get("a", 1) is None
    assert kept.get("a", 2) is newer
    assert kept.last("a") is newer
    assert kept.last("b") is None


def test_what_was_not_used_for_the_longest_time_goes_first() -> None:
    kept = Kept[bytearray](3 * 18, len)
    for name in "abc":
        kept.put(name, 1, bytearray(18))
    assert kept.get("a", 1)
    kept.put("d", 1, bytearray(18))
    assert [name for name in "abcd" if kept.get(name, 1)] == ["a", "c", "d"]
    for version in range(100):  # what is replaced counts no more
        kept.put("a", version, bytearray(18))
    assert [name for name in "abcd" if kept.get(name, 1) or kept.get(name, 99)] == ["a", "c", "d"]
    kept.put("large", 1, bytearray(100))
    assert not any(kept.get(name, 1) for name in [*"bcd", "large"])


def test_what_grows_counts_as_what_it_has_become() -> None:
    kept = Kept[bytearray](30, len)
    first, other = bytearray(10), bytearray(10)
    kept.put("a", 1, first)
    kept.put("b", 1, other)
    first += bytes(10)
    kept.grown("a", first)
    assert kept.get("a", 1) is first
    assert kept.get("b", 1) is other
    other += bytes(5)
    kept.grown("b", other)
    assert kept.get("a", 1) is None
    assert kept.get("b", 1) is other
    kept.grown("b", bytearray(100))  # another one, which is not kept
    assert kept.get("b", 1) is other
    for length in (20, 5):
        other[:] = bytes(length)
        kept.grown("b", other)
        kept.put("c", 1, bytearray(15))
    assert kept.get("b", 1) is None
    assert kept.get("c", 1)


def test_a_copy_is_worth_its_price_when_its_chunks_were_asked_for_often() -> None:
    kept = KeptMatrices(1000)
    asked = [kept.is_worth("a", chunks, 100) for chunks in [1] + 14 * [2]]
    assert asked == [False] * 12 + [True] * 3  # those of others do not count
    kept.clear()
    assert not kept.is_worth("a", 2, 100)


def test_of_more_sets_than_there_is_room_for_none_is_copied() -> None:
    kept = KeptMatrices(400)
    for _ in range(30):
        assert not any(kept.is_worth(name, 1, 100) for name in "abcde")
    for _ in range(11):
        assert not kept.is_worth("a", 1, 100)
        assert not kept.is_worth("b", 1, 100)
    assert kept.is_worth("a", 1, 100)


@pytest.mark.process
def test_a_forked_child_does_not_wait_for_a_thread_that_it_has_not() -> None:
    kept = Kept[bytearray](1000, len)
    kept.put("a", 1, bytearray(2))
    searching = kept._lock  # as a thread of the parent has it at this moment
    with searching:

        def child(tell: Callable[[], None]) -> None:
            assert kept.get("a", 1) is None
            kept.put("b", 1, bytearray(2))
            assert kept.get("b", 1)
            tell()

        with forked(child) as forked_child:
            assert forked_child.await_signals(1) == 1
    assert kept.get("a", 1)
