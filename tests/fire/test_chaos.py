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
    shape = Shape(faults=faults, gap=25, slow=0.0)
    kinds = {deed.kind for deed in planned(name, seed, shape)}
    assert len(kinds) == faults
    verdict = drive(name, tmp_path, seed, shape)
    assert not verdict.wrong, verdict.wrong[:5]
    assert faults_of(verdict.history).total() >= faults // 2  # the end may come before the last
