"""The counts in the line that says how a job has ended."""

from __future__ import annotations

from typing import Any

import pytest

from tamias.cli.views.summary import figures
from tamias.launcher.jobs.report import Report


def report(**changed: Any) -> Report:
    fields = {"events": 2, "outputs": 0, "dead_letters": 0, "ignored": 0, "retries": 0}
    fields |= {"deaths": 0, "resumed_at": 0}
    return Report(finished=True, seconds=0.5, state="state", **{**fields, **changed})


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({}, ": 2 inputs in 0.5 s (4.0/s)"),
        ({"failed": 1}, ": 2 inputs in 0.5 s (4.0/s), 1 failed"),
        ({"failed": 2}, ": 2 of 2 inputs in 0.5 s (4.0/s)"),
        ({"failed": 3}, ": 2 inputs, 3 failures in 0.5 s (4.0/s)"),
        ({"resumed_at": 2}, " before: 2 inputs; nothing is new"),
        ({"waiting_runs": 1}, ": 2 inputs done in 0.5 s (4.0/s)"),
        ({"waiting_runs": 1, "resumed_at": 2}, ": 2 inputs done before; nothing is due"),
    ],
)
def test_what_was_done(changed: dict[str, Any], text: str) -> None:
    assert figures(report(**changed)) == text
