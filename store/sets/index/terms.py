r"""Words of a text as numbers: CRC-32 of each, which an index of words has instead of them.

Words are what `\w+` finds in the text in its composed form (NFKC) and case-folded, with the marks
that some scripts write beside their letters. Scripts that set no blanks between words (Chinese,
Japanese, Korean, Thai and their neighbours) are taken apart into single characters and pairs of
neighbours, as search engines do it.

Two words may have one number. That makes a text a little too good a match, once in thousands of
queries. Fields of metadata are numbers of the same kind, so a filter is a search for a word; what
it finds is compared with the item itself.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["metadata_term", "metadata_terms", "terms_of", "words_of"]

_ASCII_WORDS: Final = re.compile(rb"[a-z0-9_]+").findall

_UNSPACED: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u0f00-\u0fff"  # Tibetan
    "\u1000-\u109f"  # Myanmar
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"  # Korean
    "\u1780-\u17ff"  # Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # Chinese characters
    "\U00020000-\U0003ffff"
)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    r"""Patterns of words, and of runs of scripts without blanks; made when a text needs them.

    Python's `\w` has no marks, though in many scripts a vowel is a mark. They are listed here.
    """
    marks: list[str] = []
    first = -1
    for code in range(0x300, 0x20000):
        is_mark = unicodedata.category(chr(code))[0] == "M"
        if is_mark and first < 0:
            first = code
        elif not is_mark and first >= 0:
            marks.append(f"{chr(first)}-{chr(code - 1)}")
            first = -1
    word = re.compile(rf"\w[\w{''.join(marks)}]*")
    return word, re.compile(f"[{_UNSPACED}]+")


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text, as an index has them; see the module's text."""
    if text.isascii():
        for ascii_word in _ASCII_WORDS(text.lower().encode()):
            yield ascii_word.decode()
        return
    word, unspaced = _patterns()
    # Case folding can take a composed form apart, and composing can bring capitals back.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    for found in word.findall(folded):
        if found.isascii() or not unspaced.search(found):
            yield found
        else:
            yield from _mixed(found, unspaced)


def _mixed(word: str, unspaced: re.Pattern[str]) -> Iterator[str]:
    """Take a word apart that has characters of scripts without blanks."""
    position = 0
    for run in unspaced.finditer(word):
        if run.start() > position:
            yield word[position : run.start()]
        characters = run[0]
        yield from characters
        for index in range(len(characters) - 1):
            yield characters[index : index + 2]
        position = run.end()
    if position < len(word):
        yield word[position:]


def terms_of(text: str) -> dict[int, int]:
    """How often each term is in a text."""
    if text.isascii():
        return Counter(map(crc32, _ASCII_WORDS(text.lower().encode())))
    return Counter(crc32(word.encode("utf-8", "surrogatepass")) for word in words_of(text))


def metadata_term(name: str, value: Any) -> int | None:
    """The term of one field of metadata; None if its value is no scalar, so cannot be searched."""
    if value is not None and not isinstance(value, (str, int, float, bool)):
        return None
    return _scalar_term(name, value)


@lru_cache(maxsize=4096, typed=True)
def _scalar_term(name: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer() and abs(value) < sys.float_info.max:
        value = int(value)  # 1.0 == 1, as in the comparison with the item
    text = json.dumps(value, ensure_ascii=True)
    return crc32(f"\0{name}\0{text}".encode("utf-8", "surrogatepass"))


def metadata_terms(metadata: Mapping[str, Any]) -> Iterable[int]:
    """The terms of an item's metadata."""
    found = (metadata_term(name, value) for name, value in metadata.items())
    return {term for term in found if term is not None}
