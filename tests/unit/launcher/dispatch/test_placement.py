"""Which slot has which shard, and what moves when there are more or fewer slots."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tamias.launcher.dispatch.placement import Placement, rebalance
from tamias.store.encoding.keys import encode_key, shard_of

OWNERS = st.lists(st.integers(0, 6), min_size=1, max_size=30)
SLOTS = st.sets(st.integers(0, 6), min_size=1).map(sorted)


def test_shards_are_shared_out_in_turn() -> None:
    placement = Placement(5, [0, 1])
    assert placement.owners == [0, 1, 0, 1, 0]
    assert placement.of(1) == [1, 3]


def test_a_key_goes_where_its_shard_is_now() -> None:
    placement = Placement(4, [0, 1])
    key = encode_key("a")
    shard = shard_of(key, 4)
    assert placement.routes[key] == shard % 2
    placement.put(shard, 7)
    assert placement.routes[key] == 7


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
