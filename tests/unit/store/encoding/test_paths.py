from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tamias.store.encoding.keys import key_prefix
from tamias.store.encoding.paths import MAX_ADDRESS, address, decode_path, encode_path, is_cut

prefixes = st.binary(max_size=200).map(key_prefix) | st.binary(min_size=201, max_size=220).map(
    key_prefix
)
texts = st.text(st.characters(exclude_categories=[]), max_size=20)
paths = texts | st.tuples(texts, st.integers(0, 600)).map(lambda pair: pair[0] + "x" * pair[1])


@given(paths)
def test_a_path_comes_back_as_it_was(path: str) -> None:
    assert decode_path(encode_path(path)) == path


@given(prefixes, paths, prefixes, paths)
def test_two_fields_have_two_addresses(
    one: bytes, one_path: str, other: bytes, other_path: str
) -> None:
    same = (one, one_path) == (other, other_path)
    assert (address(one, one_path) == address(other, other_path)) == same


@given(prefixes, paths)
def test_addresses_fit_the_index_and_keep_their_prefix(prefix: bytes, path: str) -> None:
    stored = address(prefix, path)
    full = prefix + encode_path(path)
    assert 1 <= len(stored) <= 511
    assert stored.startswith(prefix)
    assert is_cut(stored) == (len(full) > MAX_ADDRESS)
    if not is_cut(stored):
        assert stored == full


def test_cut_addresses_never_change() -> None:
    stored = address(b"\x02sa", "p" * 498)
    assert len(stored) == 500
    assert stored[:484] == b"\x02sa" + b"p" * 480 + b"\xff"
    assert stored[484:].hex() == "56618cd8f30623ca120dbd34fbd57626"
