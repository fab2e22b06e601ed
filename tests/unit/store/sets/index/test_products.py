"""Products of queries with rows of i8 and f16: both ways, against exact arithmetic."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numkong
import numpy as np
import pytest

from tamias.store.sets.index.halves import half_products
from tamias.store.sets.index.products import (
    FloatProducts,
    IntegerProducts,
    Products,
    pack,
    products,
)


def _by_blocks(query: Any) -> Products:
    return FloatProducts(np, query)


def _by_library(query: Any) -> Products:
    return IntegerProducts(np, query, numkong)


@pytest.mark.parametrize("made", [_by_blocks, _by_library])
@pytest.mark.parametrize("dims", [1, 2, 3, 63, 64, 65, 255, 256, 1536, 16_384])
def test_products_are_those_of_exact_arithmetic(made: Callable[[Any], Products], dims: int) -> None:
    random = np.random.default_rng(dims)
    query = random.standard_normal(dims).astype(np.float32)
    query /= np.linalg.norm(query)
    rows = random.integers(-127, 128, (700, dims), dtype=np.int8)
    scores = np.full(702, 7.0, np.float32)
    multiply = made(query)
    multiply.multiply([rows[:512].tobytes(), memoryview(rows[512:].tobytes())], scores[:700])
    multiply.close()
    exact = rows.astype(np.float64) @ query.astype(np.float64)
    off = np.abs(scores[:700] * multiply.unit - exact)
    rounded = multiply.step / 2 * np.abs(rows.astype(np.int32)).sum(axis=1)
    assert (off <= rounded + 1e-4 * 127 * np.sqrt(dims)).all()
    # A bound that is seldom reached: see `Scan`.
    likely = 1.9 * multiply.step * np.linalg.norm(rows, axis=1)
    assert (off <= likely + 1e-4 * 127 * np.sqrt(dims)).all()
    assert scores[700:].tolist() == [7.0, 7.0]


@pytest.mark.parametrize("has_library", [True, False])
@pytest.mark.parametrize("dims", [1, 3, 64, 255, 256, 1536])
@pytest.mark.parametrize("count", [1, 2, 700])
def test_packed_rows_have_the_same_products(
    monkeypatch: pytest.MonkeyPatch, dims: int, count: int, *, has_library: bool
) -> None:
    if not has_library:
        monkeypatch.setitem(sys.modules, "numkong", None)
    random = np.random.default_rng(dims)
    query = random.standard_normal(dims).astype(np.float32)
    rows = random.integers(-127, 128, (count, dims), dtype=np.int8).tobytes()
    multiply = products(np, query)
    one_by_one, together = np.empty(count, np.float32), np.empty(count, np.float32)
    multiply.multiply([rows], one_by_one)
    multiply.multiply_packed(pack(np, rows, dims), together)
    multiply.close()
    assert together.tolist() == pytest.approx(one_by_one.tolist(), rel=1e-5)


@pytest.mark.parametrize("made", [_by_blocks, _by_library])
@pytest.mark.parametrize("query", [[0.0, 0.0], [1.0, 0.0], [-1.0, 1e-30], [1e-40, 0.0]])
def test_queries_of_odd_lengths_give_numbers(
    made: Callable[[Any], Products], query: list[float]
) -> None:
    scores = np.empty(2, np.float32)
    multiply = made(np.array(query, np.float32))
    multiply.multiply([np.array([127, -128, 0, 1], np.int8)], scores)
    exact = [127 * query[0] - 128 * query[1], query[1]]
    assert (scores * multiply.unit).tolist() == pytest.approx(exact, abs=0.01)


def test_without_the_library_numpy_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    query = np.array([1.0, 0.0], np.float32)
    assert isinstance(products(np, query), IntegerProducts)
    monkeypatch.setitem(sys.modules, "numkong", None)
    assert isinstance(products(np, query), FloatProducts)


@pytest.mark.parametrize("dims", [1, 2, 63, 256, 1536])
@pytest.mark.parametrize("count", [0, 1, 300])
def test_products_of_halves(monkeypatch: pytest.MonkeyPatch, dims: int, count: int) -> None:
    random = np.random.default_rng(dims)
    query = random.standard_normal(dims).astype(np.float16)
    rows = random.standard_normal((count, dims)).astype(np.float16)
    exact = rows.astype(np.float64) @ query.astype(np.float64)
    by_library = half_products(np, rows.tobytes(), query)
    monkeypatch.setitem(sys.modules, "numkong", None)
    by_numpy = half_products(np, rows.tobytes(), query)
    for found in (by_library, by_numpy):
        assert found.tolist() == pytest.approx(exact.tolist(), abs=1e-4 * np.sqrt(dims))


@pytest.mark.parametrize("is_fast", [False, True])
def test_a_row_of_halves_has_one_product_wherever_it_is(
    monkeypatch: pytest.MonkeyPatch, *, is_fast: bool
) -> None:
    if not is_fast:
        monkeypatch.setitem(sys.modules, "numkong", None)
    random = np.random.default_rng(7)
    row, query = random.normal(size=(2, 256)).astype(np.float16)
    found = set()
    for count in (1, 3, 7, 16, 100):
        for place in {0, count // 2, count - 1}:
            rows = random.normal(size=(count, 256)).astype(np.float16)
            rows[place] = row
            found.add(float(half_products(np, rows.tobytes(), query)[place]))
    assert len(found) == 1
