"""What the inbox answers to workers: real sockets, registry, dispatcher and delivery."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from support.launcher.listening import Launcher
from tamias.launcher.delivery.source import Position
from tamias.store.records.outbox import encode_outputs
from tamias.worker import wire

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with ExitStack() as stack:
        yield Launcher(tmp_path, stack)


def test_a_worker_that_takes_a_shard_gets_what_was_acknowledged_meanwhile(
    launcher: Launcher,
) -> None:
    launcher.delivery.reading(Position(0, 0))
    launcher.send_input(0, shard=0)
    launcher.deliver(0, 1, offset=0)
    launcher.move(0, 1)
    assert launcher.delivery.save() == {0: 1}  # no worker has the shard now
    launcher.hear(1, wire.pack(wire.TAKEN, {"shard": 0}))
    message = launcher.received(1)
    assert message[:1] == wire.ACKNOWLEDGE
    assert wire.unpack(message) == {"0": 1}


def test_a_worker_that_takes_a_shard_without_acknowledged_records_gets_nothing(
    launcher: Launcher,
) -> None:
    launcher.move(0, 1)
    launcher.hear(1, wire.pack(wire.TAKEN, {"shard": 0}))
    assert launcher.received(1) == wire.STOP


def test_records_follow_those_of_which_no_life_knows_any_more(launcher: Launcher) -> None:
    """A trim has emptied the outbox, and the launcher that had acknowledged all of it is dead."""
    launcher.move(0, 1)
    launcher.hear(1, wire.pack(wire.TAKEN, {"shard": 0, "sequences": {"0": 192}}))
    launcher.send_input(0, shard=0)
    record = encode_outputs([0], [0], [])
    launcher.hear(1, wire.pack_done([(0, 193, record)]))
    assert not launcher.worker(1).is_rejected
    assert launcher.delivery.events == 1
