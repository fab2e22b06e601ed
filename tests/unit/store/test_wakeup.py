from __future__ import annotations

import select
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from tamias.store.wakeup import Wakeup

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    made = Wakeup()
    yield made
    made.close()


def readable(wakeup: Wakeup) -> bool:
    return bool(select.select([wakeup], [], [], 0)[0])


def test_it_is_readable_from_wake_to_clear(wakeup: Wakeup) -> None:
    assert not readable(wakeup)
    wakeup.wake()
    assert readable(wakeup)
    assert readable(wakeup)
    wakeup.clear()
    assert not readable(wakeup)


def test_clear_counts_the_calls_of_wake(wakeup: Wakeup) -> None:
    assert wakeup.clear() == 0
    wakeup.wake()
    wakeup.wake()
    assert wakeup.clear() == 2
    assert wakeup.clear() == 0


def test_it_wakes_a_thread_that_polls(wakeup: Wakeup) -> None:
    poller = select.poll()
    poller.register(wakeup, select.POLLIN)
    thread = Thread(target=poller.poll)
    thread.start()
    wakeup.wake()
    thread.join(60)
    assert not thread.is_alive()


def test_wake_and_close_do_nothing_after_close(wakeup: Wakeup) -> None:
    wakeup.close()
    wakeup.close()
    wakeup.wake()
    assert wakeup.fileno() == -1
