"""How inputs come from the source to the dispatcher."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.launcher.listening import Launcher
from tamias.launcher.delivery.source import Position, Source
from tamias.launcher.pool.reader import READ_FIRST, Reader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tamias.launcher.delivery.source import Identity, Record


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with ExitStack() as stack:
        yield Launcher(tmp_path, stack)


class Arriving(Source):
    """Gives in each call as many inputs as have arrived."""

    codec = "pickle"

    def __init__(self, *arrivals: int) -> None:
        self._arrivals = [*arrivals]
        self._offset = 0

    @property
    def position(self) -> Position:
        return Position(self._offset)

    def read(self, limit: int) -> list[Record]:
        count = min(limit, self._arrivals.pop(0)) if self._arrivals else 0
        self._offset += count
        return [(b"k", b"p", None)] * count

    def seek(self, position: Position) -> None:
        raise NotImplementedError

    def identity(self) -> Identity:
        return {}

    def check(self, identity: Identity) -> None:
        del identity


def _read(reader: Reader, launcher: Launcher) -> tuple[bool, int]:
    """Have it read; return whether there may be more, and how many inputs are there."""
    return reader.feed(), launcher.dispatcher.counters.submitted


def test_few_inputs_are_sent_before_the_source_is_asked_for_more(launcher: Launcher) -> None:
    reader = Reader(Arriving(1, 2), launcher.delivery, launcher.dispatcher)
    assert _read(reader, launcher) == (True, 1)
    assert not reader.starved
    assert _read(reader, launcher) == (True, 3)
    assert _read(reader, launcher) == (False, 3)
    assert reader.starved


def test_all_that_is_wanted_is_read_at_once_while_there_is_enough(launcher: Launcher) -> None:
    reader = Reader(Arriving(READ_FIRST, 100_000, 1), launcher.delivery, launcher.dispatcher)
    more, submitted = _read(reader, launcher)
    assert more
    assert submitted > 1000


def test_nothing_is_read_that_is_not_wanted(launcher: Launcher) -> None:
    reader = Reader(Arriving(*[100_000] * 100), launcher.delivery, launcher.dispatcher)
    more, submitted = _read(reader, launcher)
    assert not more
    assert launcher.dispatcher.wanted() == 0
    assert _read(reader, launcher) == (False, submitted)
