"""Products of queries with rows of i8: both ways, against exact arithmetic."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from simsimd import cdist

from tamias.store.sets.index.products import (
    FloatProducts,
    IntegerProducts,
    Products,
    products,
)


def _by_blocks(query: Any) -> Products:
    return FloatProducts(np, query)


def _by_library(query: Any) -> Products:
    return IntegerProducts(np, query, cdist)


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
    assert np.abs(scores[:700] - exact).max() <= 1e-4 * 127 * np.sqrt(dims)
    assert scores[700:].tolist() == [7.0, 7.0]


@pytest.mark.parametrize("made", [_by_blocks, _by_library])
@pytest.mark.parametrize("query", [[0.0, 0.0], [1.0, 0.0], [-1.0, 1e-30], [1e-40, 0.0]])
def test_queries_of_odd_lengths_give_numbers(
    made: Callable[[Any], Products], query: list[float]
) -> None:
    scores = np.empty(2, np.float32)
    made(np.array(query, np.float32)).multiply([np.array([127, -128, 0, 1], np.int8)], scores)
    exact = [127 * query[0] - 128 * query[1], query[1]]
    assert scores.tolist() == pytest.approx(exact, abs=0.01)


def test_without_the_library_numpy_multiplies(monkeypatch: pytest.MonkeyPatch) -> None:
    query = np.array([1.0, 0.0], np.float32)
    assert isinstance(products(np, query), IntegerProducts)
    monkeypatch.setitem(sys.modules, "simsimd", None)
    assert isinstance(products(np, query), FloatProducts)
