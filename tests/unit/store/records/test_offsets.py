"""The number of an input tells its offset and which retry it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tamias.store.records.offsets import (
    MOST_RETRIES,
    RunKind,
    derived_number,
    identity_of,
    is_owned,
    kind_of,
    offset_of,
    owned_number,
    retries_of,
    retry_number,
)

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


@given(OFFSETS, RETRIES)
def test_an_owned_run_of_an_input_keeps_both(offset: int, retries: int) -> None:
    number = retry_number(offset, retries)
    owned = owned_number(number)
    assert is_owned(owned)
    assert not is_owned(number)
    assert identity_of(owned) == identity_of(number) == number
    assert (offset_of(owned), retries_of(owned)) == (offset, retries)
    assert kind_of(owned) == RunKind.INPUT
    assert owned < 1 << 63


@given(st.sampled_from([RunKind.TIMER, RunKind.END, RunKind.NOTICE]), st.binary(), st.integers(0))
def test_a_run_without_an_input_has_a_number_of_its_own(
    kind: RunKind, key: bytes, number: int
) -> None:
    derived = derived_number(kind, key, number)
    assert derived == derived_number(kind, key, number)
    assert derived != derived_number(kind, key, number + 1)
    assert is_owned(derived)
    assert kind_of(derived) == kind
    assert identity_of(derived) == offset_of(derived) == derived
    assert retries_of(derived) == 0
    assert derived < 1 << 63
