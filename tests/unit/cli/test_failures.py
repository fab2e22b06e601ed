"""Which failures of a pool that runs are reported, and when."""

from __future__ import annotations

from tamias.cli.views.failures import FAILURE_SECONDS, FailureReporter


def test_each_kind_is_reported_at_once_and_its_count_now_and_then() -> None:
    now = 100.0
    reporter = FailureReporter(lambda: now)
    assert reporter.update({}) == {}
    assert reporter.update({"a": [1, 7, "A"]}) == {"a": [1, 7, "A"]}
    assert reporter.update({"a": [1, 7, "A"]}) == {}
    assert reporter.update({"a": [5, 7, "A"], "b": [1, 9, "B"]}) == {"b": [1, 9, "B"]}
    now += FAILURE_SECONDS
    assert reporter.update({"a": [6, 7, "A"], "b": [1, 9, "B"]}) == {"a": [6, 7, "A"]}
