"""Chaos: everything at once, and a checker of what was observed; `scripts/chaos` takes longer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.chaos.drives import drive, faults_of, planned
from support.chaos.plan import PIPE, SERVICE, STREAM, Shape

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("name", "seed", "faults"),
    [("stream", 3, len(STREAM)), ("service", 4, len(SERVICE)), ("pipe", 2, len(PIPE))],
)
def test_no_promise_is_broken(tmp_path: Path, name: str, seed: int, faults: int) -> None:
    """One fault of each kind."""
    once = 0.001 if name == "pipe" else 0.01  # that one has ten times as many inputs
    shape = Shape(faults=faults, gap=25, slow=0.0, once=once)
    kinds = {deed.kind for deed in planned(name, seed, shape)}
    assert len(kinds) == faults
    verdict = drive(name, tmp_path, seed, shape)
    assert not verdict.wrong, verdict.wrong[:5]
    # A reload tells with which code; the last ones may come too late.
    happened = {kind.partition(":")[0] for kind in faults_of(verdict.history)}
    assert len(kinds & happened) > faults // 2
