"""The series of a pool as Flink has metrics: kinds, units, labels."""

from __future__ import annotations

from typing import Any

import pytest

from tamias.bridge.task.series import MOST, flink_series


def family(name: str, kind: str, *samples: Any, unit: str = "") -> dict[str, Any]:
    return {"name": name, "type": kind, "help": "", "unit": unit, "samples": list(samples)}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (family("a_total", "counter", [{}, 3.0]), ["a_total", "counter", [], 3]),
        (
            family("a_bytes_total", "counter", [{"w": "1", "b": "x"}, 3], unit="bytes"),
            ["a_bytes_total", "counter", ["b", "x", "w", "1"], 3],
        ),
        (
            family("a_seconds_total", "counter", [{}, 0.5], unit="seconds"),
            ["a_seconds_total", "total", [], 0.5],
        ),
        (family("a_cost_total", "counter", [{}, 0.5]), ["a_cost_total", "total", [], 0.5]),
        (family("a", "gauge", [{}, 0.5]), ["a", "gauge", [], 0.5]),
    ],
)
def test_numbers(given: dict[str, Any], found: list[Any]) -> None:
    assert flink_series([given]) == [found]


def test_histograms_of_seconds_are_in_milliseconds() -> None:
    value = {"count": 9, "sum": 1.5, "buckets": {"+Inf": 9, "0.5": 4, "0.25": 1}}
    given = family("commit_seconds", "histogram", [{}, value], unit="seconds")
    spread = {"count": 9, "sum": 1500.0, "bounds": [250.0, 500.0], "counts": [1, 3, 5]}
    assert flink_series([given]) == [["commit_milliseconds", "histogram", [], spread]]
    (other,) = flink_series([family("size", "histogram", [{}, value])])
    assert (other[0], other[3]["bounds"]) == ("size", [0.25, 0.5])


def test_what_has_no_value_is_left_out_and_so_are_very_many() -> None:
    assert flink_series([family("a", "gauge", [{}, None])]) == []
    many = family("a", "gauge", *([{"n": str(n)}, n] for n in range(2 * MOST)))
    assert len(flink_series([many])) == MOST
