"""Results are in the order of their inputs, whatever arrives in which order."""

from __future__ import annotations

from itertools import chain, repeat
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tamias.launcher.sinks.results import _ROOM, Results

Parts = list[list[tuple[int, list[Any]]]]

VALUES: st.SearchStrategy[Any] = st.sampled_from([None, {}, {"k": 0}, {"k": 1}, {"k": 2}])
PARTS = st.lists(
    st.lists(
        st.tuples(st.one_of(st.integers(0, 12), st.integers(0, 3 * _ROOM)), st.lists(VALUES)),
        unique_by=lambda each: each[0],
    ),
    max_size=6,
)
"""Records: of some inputs, which may be named again later, the values."""


def flat(part: list[tuple[int, list[Any]]]) -> tuple[list[int], list[Any]]:
    offsets = list(chain.from_iterable(repeat(offset, len(each)) for offset, each in part))
    return offsets, list(chain.from_iterable(each for _, each in part))


@given(PARTS)
@example([[(0, [{"k": 1}]), (1, [{"k": 2}])], [(1, [{"k": 3}])]])
@example([[(0, [None])]])
@example([[(3, [{"k": 1}])], [(0, [])], [(0, [{"k": 1}, {"k": 2}])]])
@example([[(3 * _ROOM, [{"k": 1}]), (2, [{"k": 2}])], [(1, [{"k": 3}])]])
def test_they_are_in_order(parts: Parts) -> None:
    results, arrived = Results(), Results(as_arrived=True)
    wanted: list[tuple[int, Any]] = []
    for part in parts:
        offsets, values = flat(part)
        are_distinct = len(set(offsets)) == len(offsets)
        results.add(offsets, values, are_distinct=are_distinct)
        arrived.add(offsets, values, are_distinct=are_distinct)
        wanted += zip(offsets, values, strict=True)
    assert arrived.take() == [value for _, value in wanted]
    assert results.take() == [value for _, value in sorted(wanted, key=lambda pair: pair[0])]
    assert results.take() == arrived.take() == []


def test_what_arrives_out_of_order_leaves_nothing_to_sort() -> None:
    results = Results()
    for start in (200, 0, 100):
        offsets = list(range(start + 99, start - 1, -1))
        results.add(offsets, [{"k": offset} for offset in offsets], are_distinct=True)
    assert not results._offsets
    assert results.take() == [{"k": offset} for offset in range(300)]
