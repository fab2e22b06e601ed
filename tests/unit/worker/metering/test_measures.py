"""What a worker measures of itself: exact counts, and histograms that can be added up."""

from __future__ import annotations

from bisect import bisect_left

from hypothesis import given
from hypothesis import strategies as st

from tamias.launcher.metrics.measure_ledger import merged
from tamias.worker.metering.measures import FixedHistogram, Measures
from tamias.worker.metering.names import OTHER, BoundedNames
from tamias.worker.metering.shapes import MEASURES

BOUNDS = (10, 100, 1000)


@given(st.lists(st.lists(st.integers(0, 2000), max_size=30)))
def test_many_values_at_once_are_counted_like_one_after_the_other(parts: list[list[int]]) -> None:
    together, single = FixedHistogram(BOUNDS), FixedHistogram(BOUNDS)
    for part in parts:
        for value in part:
            single.add(value)
        together.add_all(list(part))
    assert together.snapshot() == single.snapshot()
    values = [value for part in parts for value in part]
    assert single.total == sum(values)
    assert single.counts == [
        sum(bisect_left(BOUNDS, value) == bucket for value in values) for bucket in range(4)
    ]


def test_a_value_on_a_bound_is_at_most_that() -> None:
    histogram = FixedHistogram(BOUNDS)
    histogram.add_all([10, 100, 1000, 1001])
    assert histogram.counts == [1, 1, 1, 1]


def test_bounds_rise_so_that_buckets_can_be_summed_up() -> None:
    for bounds in MEASURES.values():
        assert list(bounds) == sorted(set(bounds))


def test_names_without_end_share_one_place() -> None:
    names = BoundedNames(2)
    assert [names.place_of(name) for name in "abcab"] == ["a", "b", OTHER, "a", "b"]


def test_models_are_bounded_whatever_they_are_called() -> None:
    measures = Measures(["ask"])
    for number in range(1000):
        measures.count_model(f"model-{number}", 1, tokens=(1, 2), cost=1, failed=number % 2 == 0)
    snapshot = measures.snapshot(0)
    assert len(snapshot["model_cost"]) == 301
    assert sum(snapshot["model_cost"].values()) == 1000
    assert sum(snapshot["model_failures"].values()) == 500
    assert sum(sum(each[1:]) for each in snapshot["model_ns"].values()) == 1000


def test_heartbeats_have_what_has_changed_and_the_launcher_knows_the_rest() -> None:
    measures = Measures(["first", "second"])
    measures.end_plain_actions("first", [5])
    measures.executed["first"] = 1
    known = merged({}, measures.snapshot(1))
    measures.end_plain_actions("second", [7, 9])
    now = measures.snapshot(3)
    changed = {"executed": {"second": 2}, "action_ns": {"second": now["action_ns"]["second"]}}
    both = merged(known, changed)
    assert both["executed"] == {"first": 1, "second": 2}
    assert both["action_ns"] == now["action_ns"]
    assert both["runs"] == {"": 1}
    tampered = merged(both, {"executed": {"second": 1}})
    assert tampered["executed"]["second"] == 2
