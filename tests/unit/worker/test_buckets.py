"""Buckets of histograms: each value is in one that is as large as it, to a tenth of its size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tamias.worker.buckets import bucket_of, is_bucket, quantile, upper_bound

SIZES = st.floats(1e-9, 1e15)


@given(SIZES)
def test_a_value_is_at_most_a_fifth_below_the_bound_of_its_bucket(value: float) -> None:
    bucket = bucket_of(value)
    assert is_bucket(bucket)
    assert upper_bound(bucket) / 1.2 < value <= upper_bound(bucket) * (1 + 1e-12)


@given(st.floats() | st.integers(-(1 << 63), 1 << 63))
def test_every_number_has_a_bucket(value: float) -> None:
    assert is_bucket(bucket_of(value))


@given(st.lists(SIZES, min_size=1), st.floats(0, 1))
def test_so_many_values_do_not_exceed_a_quantile(values: list[float], q: float) -> None:
    buckets: dict[str, int] = {}
    for value in values:
        buckets[bucket_of(value)] = buckets.get(bucket_of(value), 0) + 1
    bound = quantile(buckets, q) * (1 + 1e-12)
    assert sum(value <= bound for value in values) >= q * len(values) - 1e-9


def test_what_is_no_bucket() -> None:
    for name in ("", "e", "-", "e1.5", "e99999999999", "f1", "e+1", "ee1", "--e1", "e²"):
        assert not is_bucket(name), name
