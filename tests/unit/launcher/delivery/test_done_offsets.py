"""The set of done offsets behaves as a plain set of offsets, in memory that follows the gaps."""

from __future__ import annotations

import json
import random

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from support.profiles import examples
from tamias.launcher.delivery import done_offsets as module
from tamias.launcher.delivery.done_offsets import DoneOffsets

OFFSETS = st.lists(st.integers(0, 60), max_size=12)


class DoneOffsetsMachine(RuleBasedStateMachine):
    """Against a plain set, with folding made so frequent that every path is walked."""

    def __init__(self) -> None:
        super().__init__()
        self.done = self.shrunk(DoneOffsets())
        self.model: set[int] = set()

    @staticmethod
    def shrunk(done: DoneOffsets) -> DoneOffsets:
        done._fold_at = 5
        return done

    @rule(offsets=OFFSETS)
    def add(self, offsets: list[int]) -> None:
        self.done.add(offsets)
        self.model.update(offsets)

    @rule(start=st.integers(0, 60), length=st.integers(1, 20))
    def add_a_run(self, start: int, length: int) -> None:
        self.done.add(range(start, start + length))
        self.model.update(range(start, start + length))

    @rule(offsets=OFFSETS)
    def filter(self, offsets: list[int]) -> None:
        left = self.done.filter(offsets)
        assert list(left) == [offset for offset in offsets if offset not in self.model]

    @rule()
    def save_and_load(self) -> None:
        record = json.loads(json.dumps(self.done.to_json()))
        self.done = self.shrunk(DoneOffsets.from_json(record))

    @rule()
    def intervals_are_the_set_above_low(self) -> None:
        intervals = self.done.intervals()
        assert all(start < end for start, end in intervals)
        ends = [self.done.low, *(end for _, end in intervals)]
        assert all(end < start for end, (start, _) in zip(ends, intervals, strict=False))
        inside = {offset for start, end in intervals for offset in range(start, end)}
        assert inside == {offset for offset in self.model if offset >= self.done.low}

    @invariant()
    def low_is_the_smallest_missing(self) -> None:
        assert self.done.low == next(n for n in range(200) if n not in self.model)

    @invariant()
    def nothing_is_at_or_above_high(self) -> None:
        assert self.done.high == max(self.model, default=-1) + 1

    @invariant()
    def contains_what_was_added(self) -> None:
        assert all((n in self.done) == (n in self.model) for n in range(90))


TestDoneOffsets = DoneOffsetsMachine.TestCase
TestDoneOffsets.settings = settings(max_examples=examples(150), stateful_step_count=30)


@given(st.permutations(range(40)))
def test_any_order_ends_with_everything_below_low(order: list[int]) -> None:
    done = DoneOffsets()
    for begin in range(0, 40, 7):
        done.add(order[begin : begin + 7])
    assert done.low == 40
    assert done.intervals() == []


def test_filter_returns_the_same_list_when_all_are_new() -> None:
    offsets = [4, 7, 5]
    assert DoneOffsets(3).filter(offsets) is offsets


def test_memory_follows_the_gaps_while_one_input_holds_everything_up() -> None:
    done = DoneOffsets()
    shuffled = random.Random(5)
    for begin in range(1, 200_001, 500):
        batch = list(range(begin, begin + 500))
        shuffled.shuffle(batch)
        done.add(batch)
        assert len(done._recent) <= module._FOLD_AT + 500
    assert done.low == 0
    assert done.intervals() == [(1, 200_001)]
    done.add([0])
    assert done.low == 200_001
    assert len(done._recent) == 0
