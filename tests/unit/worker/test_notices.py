"""Python's warnings of coroutines that were never awaited, as notices with their place."""

from __future__ import annotations

import asyncio
import linecache
import sys
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from tamias.worker.notices import MOST, OTHERS, Notices, notice_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator


async def fetch() -> None: ...


@pytest.fixture
def notices() -> Iterator[Notices]:
    found = Notices()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda *_: None
        notice_warnings(found)
        yield found
    sys.set_coroutine_origin_tracking_depth(0)


def source_of(notices: Notices) -> str:
    """The source line that the only notice names."""
    [text] = notices.counts()
    before, file, line = text.rsplit(":", 2)
    assert before == "coroutine 'fetch' was never awaited"
    return linecache.getline(file.strip(), int(line)).strip()


def test_the_place_is_the_line_that_did_not_await(notices: Notices) -> None:
    fetch()  # type: ignore[unused-coroutine]
    assert source_of(notices).startswith("fetch()")


def test_other_warnings_are_not_noticed(notices: Notices) -> None:
    warnings.warn("something else", RuntimeWarning, stacklevel=1)
    assert notices.counts() == {}


def test_a_coroutine_that_is_dropped_elsewhere_is_known_by_where_it_was_made(
    notices: Notices,
) -> None:
    sys.set_coroutine_origin_tracking_depth(1)
    kept = [fetch()]
    asyncio.run(_clear(kept))
    assert source_of(notices) == "kept = [fetch()]"


async def _clear(kept: list[Any]) -> None:
    kept.clear()


def test_their_number_is_bounded() -> None:
    notices = Notices()
    for number in range(2 * MOST):
        notices.add(str(number))
    assert len(notices.counts()) == MOST + 1
    assert notices.counts()[OTHERS] == MOST
