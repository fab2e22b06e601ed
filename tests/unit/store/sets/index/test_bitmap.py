"""Bitmaps of what lives."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tamias.store.sets.index.bitmap import (
    all_live,
    flags_of,
    is_live,
    is_sound,
    numbers_of,
    without,
)


@given(st.integers(1, 300), st.data())
def test_places_die_one_by_one(places: int, data: st.DataObject) -> None:
    dead = data.draw(st.sets(st.integers(0, places - 1)))
    bitmap = all_live(places)
    for place in dead:
        bitmap = without(bitmap, place)
    expected = [place not in dead for place in range(places)]
    assert [is_live(bitmap, place) for place in range(places)] == expected
    assert list(map(bool, flags_of(bitmap))) == expected
    assert numbers_of(bitmap) == (places, places - len(dead))
    assert is_sound(bitmap)


@given(st.integers(1, 300), st.data())
def test_damage_is_seen(places: int, data: st.DataObject) -> None:
    bitmap = all_live(places)
    bit = data.draw(st.integers(0, len(bitmap) * 8 - 1))
    damaged = bytearray(bitmap)
    damaged[bit // 8] ^= 1 << bit % 8
    assert not is_sound(bytes(damaged))
    assert not is_sound(bitmap[:-1])
    assert not is_sound(b"")
