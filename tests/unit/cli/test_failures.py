"""Which failures of a pool that runs are reported, and when."""

from __future__ import annotations

from tamias.cli.views.failures import FAILURE_SECONDS, FailureReporter
from tamias.cli.views.summary import failures


def test_each_kind_is_reported_at_once_and_its_count_now_and_then() -> None:
    now = 100.0
    reporter = FailureReporter(lambda: now)
    assert reporter.update({}) == {}
    assert reporter.update({"a": [1, 7, "A"]}) == {"a": [1, 7, "A"]}
    assert reporter.update({"a": [1, 7, "A"]}) == {}
    assert reporter.update({"a": [5, 7, "A"], "b": [1, 9, "B"]}) == {"b": [1, 9, "B"]}
    now += FAILURE_SECONDS
    assert reporter.update({"a": [6, 7, "A"], "b": [1, 9, "B"]}) == {"a": [6, 7, "A"]}


def test_a_failure_has_the_place_of_its_error_and_nothing_of_the_launcher_s_text() -> None:
    killed = "killed its worker: it had 9 MiB, more than memory-limit (9 MiB), executing (key 'a')"
    kinds = {
        "ValueError (/x/agent.py:3 in act)": [2, 5, "ValueError: no"],
        "memory: " + killed.replace("9", "N"): [1, 7, killed],
    }
    assert failures(kinds) == [
        "2 failed, first input 5: ValueError: no (/x/agent.py:3 in act)",
        f"1 failed, first input 7: {killed}",
    ]
