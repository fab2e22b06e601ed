"""Pools of these tests are made of threads: what is tried here is what a program means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.launcher.twin import in_threads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tamias.launcher.workers.threads import ThreadStarter


@pytest.fixture(autouse=True)
def twin() -> Iterator[list[ThreadStarter]]:
    """The starters of the pools that a test has made."""
    with in_threads() as starters:
        yield starters
