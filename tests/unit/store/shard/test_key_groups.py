"""A key group is read out whole, and nothing else with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import SHARED_FIXTURE, examples
from tamias.agent.errors import InputError
from tamias.store.encoding.keys import decode_key, encode_key, group_of, key_prefix, shard_of
from tamias.store.shard.batch import Batch
from tamias.store.shard.key_groups import IN_MEMORY
from tamias.store.shard.shard import Shard

if TYPE_CHECKING:
    from pathlib import Path

    from tamias.store.shard.key_groups import KeyGroupEntry

GROUPS = 5
KEYS = st.tuples(
    st.integers(0, GROUPS - 1),
    st.one_of(st.text(max_size=5), st.text(min_size=190, max_size=300), st.integers()),
)
PATHS = st.one_of(
    st.sampled_from(["a", "a.b", "count", "x" * 60]),
    st.text("abc", min_size=280, max_size=600),
)


def grouped(group: int, key: object) -> bytes:
    return b"g" + group.to_bytes(2, "big") + encode_key(key)


def fill(shard: Shard, fields: dict[tuple[int, object], dict[str, bytes]]) -> None:
    batch = Batch()
    for (group, key), values in fields.items():
        encoded = grouped(group, key)
        prefix = key_prefix(encoded)
        batch.put_fields(prefix, dict(values))
        if prefix[0] == 0xFF:
            batch.name_key(prefix, encoded)
    # Keys without a group, which no group may contain.
    batch.put_fields(key_prefix(encode_key("g of no group")), {"a": b"1"})
    batch.put_fields(key_prefix(encode_key("x" * 300)), {"a": b"1"})
    batch.name_key(key_prefix(encode_key("x" * 300)), encode_key("x" * 300))
    shard.commit(batch)


def read_out(shard: Shard, group: int) -> list[KeyGroupEntry]:
    return list(shard.reader.view().group_entries(group))


@settings(max_examples=examples(60), suppress_health_check=SHARED_FIXTURE)
@given(
    st.dictionaries(
        KEYS, st.dictionaries(PATHS, st.binary(min_size=1, max_size=20), min_size=1), max_size=12
    )
)
def test_groups_can_be_moved_one_by_one(
    tmp_path_factory: pytest.TempPathFactory, fields: dict[tuple[int, object], dict[str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("groups")
    source = Shard.acquire(folder / "source", 0)
    fill(source, fields)
    for group in range(GROUPS + 1):
        target = Shard.acquire(folder / f"target-{group}", 0)
        batch = Batch()
        for which, key, value in read_out(source, group):
            (batch.memory if which == IN_MEMORY else batch.names)[key] = value
        target.commit(batch)
        expected = {key: values for key, values in fields.items() if key[0] == group}
        found: dict[bytes, dict[str, bytes]] = {}
        view = target.reader.view()
        for prefix in view.prefixes():
            key_bytes = view.key_of(prefix)
            assert key_bytes is not None
            found[key_bytes] = view.fields(prefix, 1 << 30)[0]
        assert found == {grouped(*key): values for key, values in expected.items()}
        target.close()
    source.close()


def test_a_group_is_on_one_shard_and_groups_are_shared_out_evenly() -> None:
    for group in range(64):
        shards = {shard_of(grouped(group, f"key-{n}"), 16) for n in range(20)}
        assert shards == {group % 16}


@pytest.mark.parametrize("key", ["a", 17, None, (1, "b"), b"bytes", 0.5])
def test_the_user_sees_the_key_without_its_group(key: object) -> None:
    encoded = grouped(300, key)
    assert group_of(encoded) == 300
    assert decode_key(encoded) == key


def test_a_pickled_key_is_what_it_was_pickled_from() -> None:
    assert decode_key(b"g\x00\x01p\x80\x04]\x94(K\x01K\x02e.") == [1, 2]
    with pytest.raises(InputError):
        decode_key(b"p\x80\x04not a pickle")


def test_reading_out_does_not_disturb_the_writer(tmp_path: Path) -> None:
    shard = Shard.acquire(tmp_path / "shard", 0)
    fill(shard, {(1, "a"): {"n": b"1"}, (2, "a"): {"n": b"2"}})
    assert [entry.value for entry in read_out(shard, 1)] == [b"1"]
    fill(shard, {(1, "a"): {"n": b"3"}})
    assert [entry.value for entry in read_out(shard, 1)] == [b"3"]
    assert [entry.value for entry in read_out(shard, 2)] == [b"2"]
    shard.close()
