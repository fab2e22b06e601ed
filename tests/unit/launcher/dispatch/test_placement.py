"""Which slot has which shard, and what moves when there are more or fewer slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tamias.launcher.dispatch.backoff import Backoff
from tamias.launcher.dispatch.counters import GenerationCounts
from tamias.launcher.dispatch.input_queue import ParkedQueue
from tamias.launcher.dispatch.item import Item
from tamias.launcher.dispatch.placement import Placement, rebalance
from tamias.launcher.dispatch.slot import Slot
from tamias.store.encoding.keys import encode_key, shard_of

OWNERS = st.lists(st.integers(0, 6), min_size=1, max_size=30)
SLOTS = st.sets(st.integers(0, 6), min_size=1).map(sorted)


def _slots(count: int) -> list[Slot]:
    return [Slot(number, Backoff(), GenerationCounts()) for number in range(count)]


def test_shards_are_shared_out_in_turn() -> None:
    slots = _slots(2)
    placement = Placement(5, slots)
    assert placement.owners == [0, 1, 0, 1, 0]
    assert placement.of(slots[1]) == [1, 3]


def test_an_input_waits_where_its_shard_is_now() -> None:
    slots = _slots(3)
    placement = Placement(4, slots)
    key = encode_key("a")
    shard = placement.shard_of[key]
    assert shard == shard_of(key, 4)
    parked = ParkedQueue()
    placement.park(shard, parked)
    assert placement.owner(shard) is None
    assert placement.owners.count(None) == 1
    placement.appends[shard](Item(0, key, b"", shard))
    assert [item.offset for item in parked.queue] == [0]
    placement.put(shard, slots[2])
    assert placement.owner(shard) is slots[2]
    placement.appends[shard](Item(1, key, b"", shard))
    assert [item.offset for item in slots[2].queue] == [1]


@given(count=st.integers(0, 20))
def test_items_and_their_bytes_are_in_the_queues_of_their_shards(count: int) -> None:
    slots = _slots(2)
    placement = Placement(3, slots)
    items = [Item(offset, b"k", bytes(offset), offset % 3) for offset in range(count)]
    assert placement.queue_items(items) == sum(range(count))
    for slot, shards in zip(slots, ({0, 2}, {1}), strict=True):
        expected = [offset for offset in range(count) if offset % 3 in shards]
        assert [item.offset for item in slot.queue] == expected
        assert slot.queued_bytes == sum(expected)


@given(owners=OWNERS, slots=SLOTS)
def test_all_get_the_same_but_for_one_and_no_shard_moves_without_need(
    owners: list[int], slots: list[int]
) -> None:
    moves = rebalance(owners, slots)
    after = owners[:]
    for shard, slot in moves:
        assert after[shard] != slot
        after[shard] = slot
    assert len({shard for shard, _ in moves}) == len(moves)
    shares = [after.count(slot) for slot in slots]
    assert sum(shares) == len(owners)
    assert max(shares) - min(shares) <= 1
    least, over = divmod(len(owners), len(slots))
    had = sorted((owners.count(slot) for slot in slots), reverse=True)
    kept = sum(min(count, least + (rank < over)) for rank, count in enumerate(had))
    assert len(moves) == len(owners) - kept


def test_what_is_even_stays_as_it_is() -> None:
    assert rebalance([0, 1, 0, 1], [0, 1]) == []
