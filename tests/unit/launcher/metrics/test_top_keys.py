"""The keys with the most inputs: found whatever the order, in bounded memory."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tamias.launcher.dispatch.item import Item
from tamias.launcher.metrics.key_texts import key_text
from tamias.launcher.metrics.top_keys import EVERY, TopKeys
from tamias.store.encoding.keys import encode_key


def items(keys: list[object]) -> list[Item]:
    return [Item(offset, encode_key(key), b"", 0) for offset, key in enumerate(keys)]


@given(st.lists(st.integers(0, 40), max_size=400), st.integers(1, 12))
def test_counts_are_too_low_by_at_most_a_share_of_all(keys: list[int], most: int) -> None:
    top = TopKeys(most)
    for key in keys:
        top.count(encode_key(key))
    error = len(keys) / (most + 1)
    found = {text: number // EVERY for text, number in top.top()}
    assert len(found) <= most
    for key, number in Counter(keys).items():
        counted = found.get(repr(key), 0)
        assert counted <= number
        if number > 2 * error + 1:
            assert counted >= number - error


def test_hot_keys_are_found_among_many_others_in_batches_of_any_size() -> None:
    random = Random(7)
    keys: list[object] = [
        random.choice(["hot", ("warm", 1)]) if random.random() < 0.3 else random.randrange(10**9)
        for _ in range(60_000)
    ]
    top = TopKeys(seed=7)
    place = 0
    while place < len(keys):
        size = random.choice([1, 2, 16, 256, 1024])
        top.sample(items(keys[place : place + size]))
        place += size
    (first, second), counts = top.top(2), Counter(keys)
    assert {first[0], second[0]} == {"hot", '["warm", 1]'}
    for text, number in (first, second):
        true = counts["hot" if text == "hot" else ("warm", 1)]
        assert 0.7 * true < number < 1.3 * true


def test_keys_that_come_in_turn_are_all_seen() -> None:
    top = TopKeys(seed=3)
    top.sample(items([number % EVERY for number in range(40_000)]))
    assert len(top.top(100)) == EVERY


def test_texts_are_short_and_nothing_is_unpickled() -> None:
    texts = [key_text(encode_key(key)) for key in ("a", 7, 1.5, None, True, ("a", 1), "x" * 500)]
    assert texts[:6] == ["a", "7", "1.5", "null", "true", '["a", 1]']
    assert len(texts[6]) == 200
    assert key_text(b"p" + b"anything") == "(a pickled key of 9 bytes)"
    assert key_text(b"s\xff") != ""


def test_where_all_keys_have_as_many_inputs_none_stands_out() -> None:
    random, top = Random(5), TopKeys(seed=5)
    top.sample(items([random.randrange(5000) for _ in range(100_000)]))
    assert top.top() == []
