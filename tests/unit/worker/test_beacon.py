"""What a worker writes into its beacon, the launcher reads through a mapping of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.worker.beacon import Beacons

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def mappings(tmp_path: Path) -> Iterator[tuple[Beacons, Beacons]]:
    """The worker's mapping of the file, and the launcher's."""
    both = Beacons(tmp_path / "beacons"), Beacons(tmp_path / "beacons")
    yield both
    for each in both:
        each.close()


def test_the_launcher_reads_which_input_is_executed(mappings: tuple[Beacons, Beacons]) -> None:
    written, read = (each[3] for each in mappings)
    written.name_input(0)
    assert (read.offset, read.seconds, read.is_async) == (0, 0.0, False)
    written.name_step(5)
    assert (read.offset, read.is_async) == (5, True)
    assert read.seconds > 0
    written.end_step()
    assert (read.offset, read.seconds, read.is_async) == (None, 0.0, False)
    written.name_call(6)
    assert (read.offset, read.is_async) == (6, False)
    assert read.seconds > 0
    written.name_none()
    assert (read.offset, read.seconds) == (None, 0.0)


def test_the_pulse_is_unknown_while_an_input_is_executed(mappings: tuple[Beacons, Beacons]) -> None:
    written, read = (each[3] for each in mappings)
    assert read.pulse == 0
    written.beat()
    first = read.pulse
    assert first > 0
    written.name_input(1)
    assert read.pulse == 0
    written.name_none()
    assert read.pulse == first


def test_beacons_of_other_slots_are_left_alone(mappings: tuple[Beacons, Beacons]) -> None:
    written, read = mappings
    for slot in (2, 3, 4):
        written[slot].name_step(slot)
        written[slot].beat()
    read[3].clear()
    assert [written[slot].offset for slot in (2, 3, 4)] == [2, None, 4]
    assert (written[3].pulse, written[3].is_async, written[4].is_async) == (0, False, True)


def test_a_released_beacon_cannot_be_used(mappings: tuple[Beacons, Beacons]) -> None:
    beacon = mappings[0][3]
    beacon.release()
    with pytest.raises(ValueError, match="released"):
        beacon.name_input(1)


def test_the_launcher_reads_in_which_action_an_input_is(mappings: tuple[Beacons, Beacons]) -> None:
    written, read = (each[3] for each in mappings)
    assert read.action_of(0) is None
    written.know_actions(["first", "second"])
    written.name_action("second", 7)
    assert (read.action_of(7), read.action_of(8)) == (1, None)
    written.naming("first")(9)
    assert (read.offset, read.action_of(9)) == (9, 0)
    written.name_action("unknown", 7)
    assert read.action_of(7) is None
    read.clear()
    assert read.action_of(9) is None
