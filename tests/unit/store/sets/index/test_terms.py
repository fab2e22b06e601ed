"""Words of texts, whatever their script."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import examples
from tamias.store.sets.index.terms import metadata_term, metadata_terms, terms_of, words_of


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat, the CAT!", ["the", "cat", "the", "cat"]),
        ("snake_case 42", ["snake_case", "42"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("cafe\u0301 caf\u00e9", ["café", "café"]),
        ("ﬁne １２", ["fine", "12"]),  # noqa: RUF001
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("猫が好き", ["猫", "が", "好", "き", "猫が", "が好", "好き"]),
        ("Python입니다 x", ["python", "입", "니", "다", "입니", "니다", "x"]),
        ("", []),
        ("?! \ud800", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert list(words_of(text)) == words


@settings(max_examples=examples(200))
@given(st.text(st.characters(exclude_categories=[]), max_size=60))
def test_every_text_has_terms_and_case_does_not_matter(text: str) -> None:
    terms = terms_of(text)
    assert sum(terms.values()) == len(list(words_of(text)))
    assert all(0 <= term < 1 << 32 for term in terms)


@given(st.text(st.characters(max_codepoint=127), max_size=60))
def test_ascii_takes_a_short_way_to_the_same_words(text: str) -> None:
    assert list(words_of(text)) == list(words_of(text + " é"))[:-1]


def test_metadata_has_terms_of_its_scalars() -> None:
    assert metadata_term("a", 1) == metadata_term("a", 1.0)
    assert metadata_term("a", 1) != metadata_term("a", True)
    assert metadata_term("a", "1") != metadata_term("a", 1)
    assert metadata_term("a", [1]) is None
    found = set(metadata_terms({"a": 1, "b": [1], "c": None, "\ud800": "\ud800"}))
    assert len(found) == 3
    assert metadata_term("c", None) in found
