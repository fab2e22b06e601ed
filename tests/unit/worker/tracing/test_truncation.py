"""Contents of events are cut as Flink Agents cuts them."""

from __future__ import annotations

from typing import Any

import pytest

from tamias.worker.tracing.truncation import Truncator


@pytest.mark.parametrize(
    ("truncator", "given", "cut"),
    [
        (Truncator(), {"a": 1, "b": ["x"], "c": {"d": None}}, None),
        (
            Truncator(max_string_length=3),
            {"a": "abcd", "b": "abc"},
            {"a": {"truncatedString": "abc...", "omittedChars": 1}, "b": "abc"},
        ),
        (
            Truncator(max_array_elements=2),
            {"a": [1, 2, 3, 4], "b": [1, 2]},
            {"a": {"truncatedList": [1, 2], "omittedElements": 2}, "b": [1, 2]},
        ),
        (
            Truncator(max_depth=2),
            {"a": {"b": {"c": 1}, "d": 2, "e": [3]}, "f": {"g": 4}},
            {"a": {"truncatedObject": {"d": 2}, "omittedFields": 2}, "f": {"g": 4}},
        ),
        (
            Truncator(max_string_length=1, max_depth=2),
            {"a": {"b": "xy", "c": {}}},
            {
                "a": {
                    "truncatedObject": {"b": {"truncatedString": "x...", "omittedChars": 1}},
                    "omittedFields": 1,
                }
            },
        ),
        (
            Truncator(max_array_elements=1, max_depth=2),
            {"a": [{"b": {"c": 1}}, 2]},
            {
                "a": {
                    "truncatedList": [{"truncatedObject": {}, "omittedFields": 1}],
                    "omittedElements": 1,
                }
            },
        ),
        (Truncator(0, 0, 0), {"a": ["x" * 9000] * 30, "b": {"c": {"d": {"e": {"f": {}}}}}}, None),
    ],
)
def test_what_is_too_long_too_many_or_too_deep(
    truncator: Truncator, given: dict[str, Any], cut: dict[str, Any] | None
) -> None:
    assert truncator.cut(given) == (given if cut is None else cut)
