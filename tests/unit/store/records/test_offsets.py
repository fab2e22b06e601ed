"""The number of an input tells its offset and which retry it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.store.records.offsets import MOST_RETRIES, offset_of, retries_of, retry_number

OFFSETS = st.integers(0, (1 << 48) - 1)
RETRIES = st.integers(0, MOST_RETRIES)


@given(OFFSETS, RETRIES)
def test_both_come_back(offset: int, retries: int) -> None:
    number = retry_number(offset, retries)
    assert (offset_of(number), retries_of(number)) == (offset, retries)
    assert number < 1 << 63


@given(OFFSETS)
def test_an_ordinary_run_goes_by_its_offset(offset: int) -> None:
    assert retry_number(offset, 0) == offset


def test_retries_have_an_end() -> None:
    with pytest.raises(ValueError, match="input 7"):
        retry_number(7, MOST_RETRIES + 1)
