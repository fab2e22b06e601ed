"""Inverted lists say what the items say."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.store.sets.index.list_builder import ListBuilder
from tamias.store.sets.index.postings import (
    ChunkLists,
    TailTerms,
    decode_item_terms,
    encode_item_terms,
)
from tamias.store.sets.index.vector_chunk import BrokenChunkError

if TYPE_CHECKING:
    from collections.abc import Iterator

assert np.__name__ in sys.modules  # in use, so lists are made with it

# Terms whose bytes are in one another's, so that a search for one meets halves of others.
TERMS = st.sampled_from([0, 1, 256, 65536, 1 << 24, 0x01010101, 0xFFFFFFFF, 0x00010000, 7])
DOCUMENTS = st.lists(st.dictionaries(TERMS, st.integers(1, 300)), max_size=20)


@given(DOCUMENTS, TERMS, st.integers(0, 20))
def test_a_tail_finds_each_term(documents: list[dict[int, int]], term: int, first: int) -> None:
    values = [encode_item_terms(document) for document in documents]
    assert [decode_item_terms(value)[0] for value in values] == [
        sum(document.values()) for document in documents
    ]
    wanted = [
        (place, min(255, document[term]))
        for place, document in enumerate(documents)
        if term in document
    ]
    before = TailTerms(values[:first])
    before.find(term)
    for tail in (TailTerms(values), TailTerms(values[first:], before)):
        assert tail.lengths == [sum(document.values()) for document in documents]
        for _ in range(2):
            assert list(zip(*tail.find(term), strict=True)) == wanted
    assert list(zip(*before.find(term), strict=True)) == [
        pair for pair in wanted if pair[0] < first
    ]


def test_a_tail_keeps_what_few_terms_have_found() -> None:
    tail = TailTerms([encode_item_terms({term: 1}) for term in range(500)])
    size = tail.size
    for term in range(500):
        places, counts = tail.find(term)
        assert (list(places), list(counts)) == ([term], [1])
    assert tail.size == size
    assert len(tail._found) <= 64


def chunk_of(documents: list[dict[int, int]]) -> bytes:
    lists = ListBuilder()
    for place, document in enumerate(documents):
        lists.add_item(5 + 2 * place, encode_item_terms(document))
    return lists.encode()


@given(st.lists(DOCUMENTS, max_size=3), st.data())
def test_chunks_are_joined_without_what_is_dead(
    chunks: list[list[dict[int, int]]], data: st.DataObject
) -> None:
    joined, plain, again = ListBuilder(), ListBuilder(), ListBuilder()
    for documents in chunks:
        living = [place for place in range(len(documents)) if data.draw(st.booleans())]
        joined.add_chunk(ChunkLists([chunk_of(documents)]), living)
        with without_numpy():
            again.add_chunk(ChunkLists([chunk_of(documents)]), living)
        for place in living:
            plain.add_item(5 + 2 * place, encode_item_terms(documents[place]))
    expected = plain.encode()
    assert joined.encode() == expected
    with without_numpy():
        assert again.encode() == expected


@contextmanager
def without_numpy() -> Iterator[None]:
    with mock.patch.dict(sys.modules):
        del sys.modules["numpy"]
        yield


@given(DOCUMENTS, TERMS, st.integers(24, 200))
def test_a_chunk_finds_each_term(documents: list[dict[int, int]], term: int, size: int) -> None:
    value = chunk_of(documents)
    chunk = ChunkLists([value[start : start + size] for start in range(0, len(value), size)])
    found = chunk.find(term)
    expected = [
        (place, min(255, document[term]))
        for place, document in enumerate(documents)
        if term in document
    ]
    assert (found is None) == (not expected)
    if found is not None:
        places, counts = found
        assert list(zip(places.cast("H"), counts, strict=True)) == expected
    assert list(chunk.lengths) == [sum(document.values()) for document in documents]
    for place in range(len(documents)):
        assert chunk.place_of(5 + 2 * place) == place
        assert chunk.place_of(6 + 2 * place) is None
    assert chunk.items() == [
        (sum(document.values()), {key: min(255, count) for key, count in document.items()})
        for document in documents
    ]


def test_terms_of_metadata_do_not_make_a_text_longer() -> None:
    assert decode_item_terms(encode_item_terms({3: 2}, {9, 3})) == (2, {3: 2, 9: 1})


@given(DOCUMENTS.filter(bool), st.data())
def test_damage_is_seen(documents: list[dict[int, int]], data: st.DataObject) -> None:
    value = bytearray(chunk_of(documents))
    bit = data.draw(st.integers(0, len(value) * 8 - 1))
    value[bit // 8] ^= 1 << bit % 8
    with pytest.raises(BrokenChunkError):
        ChunkLists([bytes(value)])
    with pytest.raises(BrokenChunkError):
        ChunkLists([bytes(value[:-1])])
    with pytest.raises(BrokenChunkError):
        decode_item_terms(encode_item_terms(documents[0]) + b"x")
