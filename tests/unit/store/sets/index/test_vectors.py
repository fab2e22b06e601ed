"""Vectors as bytes, and searches over them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from support.profiles import examples
from tamias.store.sets.index.scan import Scan
from tamias.store.sets.index.vector_chunk import (
    LONGEST_PIECE,
    BrokenChunkError,
    VectorRows,
    decode_rows,
    encode_rows,
)
from tamias.store.sets.index.vectors import (
    cosines,
    half_query,
    pack_vector,
    quantized,
    stored_query,
    unit_query,
    unpack_vector,
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=64)


def rows_of(count: int, dims: int, seed: int = 0) -> tuple[Any, VectorRows]:
    vectors = np.random.default_rng(seed).standard_normal((count, dims))
    packed = [pack_vector(vector) for vector in vectors]
    halves = np.array([unpack_vector(vector) for vector in packed], np.float32)
    return halves, quantized(b"".join(packed), dims, range(count), count)


@given(st.lists(FLOATS, min_size=1, max_size=20))
@example([sys.float_info.max**0.5 * 1.1])
@example([sys.float_info.max, -sys.float_info.max])
@example([sys.float_info.min, 0.0])
def test_a_packed_vector_has_the_direction_and_unit_length(values: list[float]) -> None:
    found = np.array(unpack_vector(pack_vector(values)))
    if not any(values):
        assert not found.any()
        return
    assert np.linalg.norm(found) == pytest.approx(1, abs=2e-3)
    wanted = np.array(values) / max(map(abs, values))
    assert found == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-3)
    packed = pack_vector(values)
    assert cosines(packed, half_query(packed)) == pytest.approx([1], abs=2e-3)


@pytest.mark.parametrize(
    "values", [[], [1.0, float("nan")], [float("inf")], [[1.0]], ["x"], None, 3, [1.0] * 20_000]
)
def test_what_is_no_vector_is_refused(values: Any) -> None:
    with pytest.raises(ValueError, match="vector"):
        pack_vector(values)


@settings(max_examples=examples(40))
@given(st.integers(1, 400), st.sampled_from([1, 3, 64, 700]), st.data())
def test_chunks_are_read_as_they_were_written(count: int, dims: int, data: st.DataObject) -> None:
    halves, rows = rows_of(count, dims)
    pieces = encode_rows(rows)
    assert max(map(len, pieces[0])) <= LONGEST_PIECE
    found = decode_rows(*pieces)
    assert list(found.places) == list(range(count))
    matrix = np.frombuffer(b"".join(found.small), np.int8).reshape(count, dims).astype(np.float32)
    scales = np.frombuffer(found.scales, np.float32)
    assert np.abs(matrix * scales[:, None] - halves).max() <= scales.max() / 2 + 1e-6
    row = data.draw(st.integers(0, count - 1))
    assert unpack_vector(found.half(row)) == halves[row].tolist()
    assert found.picked([row])[1:] == (matrix[row].astype(np.int8).tobytes(), found.half(row))
    assert encode_rows(found) == pieces
    for which in (0, 1):
        damaged = [list(pieces[0]), list(pieces[1])]
        piece = data.draw(st.integers(0, len(damaged[which]) - 1))
        changed = bytearray(damaged[which][piece])
        bit = data.draw(st.integers(0, len(changed) * 8 - 1))
        changed[bit // 8] ^= 1 << bit % 8
        damaged[which][piece] = bytes(changed)
        with pytest.raises(BrokenChunkError):
            decode_rows(*damaged)
        del damaged[which][piece]
        with pytest.raises(BrokenChunkError):
            decode_rows(*damaged)


@given(st.integers(1, 5), st.integers(0, 3))
def test_pieces_of_a_chunk_are_searched_as_one(pieces: int, kind: int) -> None:
    query = unit_query([1.0, 2.0, 3.0])
    halves, rows = rows_of(50, 3)
    size = -(-50 // pieces) * 3
    joined = b"".join(rows.small)
    split = rows._replace(small=[joined[at : at + size] for at in range(0, len(joined), size)])
    flags = bytearray(place % (kind + 1) == 0 for place in range(50)) if kind else None
    results = []
    for each in (rows, split):
        scan = Scan(query, 7)
        scan.add("x", each, flags)
        results.append(scan.best())
    assert [row for _, _, row in results[0]] == [row for _, _, row in results[1]]
    for score, _, row in results[1]:
        assert score == pytest.approx(float(halves[row] @ query), abs=0.02)


@settings(max_examples=examples(40))
@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(0, 3)), min_size=1, max_size=6),
    st.integers(1, 30),
)
def test_a_scan_finds_the_best_of_all_chunks(chunks: list[tuple[int, int]], keep: int) -> None:
    query = unit_query([1.0, 2.0, 3.0, 4.0, -5.0])
    scan = Scan(query, keep)
    expected = []
    for name, (count, kind) in enumerate(chunks):
        halves, rows = rows_of(count, 5, seed=name)
        flags = None
        if kind:
            flags = bytearray(place % (kind + 1) == 0 for place in range(count))
        scan.add(name, rows, flags)
        scores = halves @ query
        expected += [
            (scores[row], name, row) for row in range(count) if flags is None or flags[row]
        ]
    expected.sort(key=lambda found: -found[0])
    found = scan.best()
    assert len(found) == min(keep, len(expected))
    exact: dict[Any, float] = {(name, row): score for score, name, row in expected}
    assert len({(name, row) for _, name, row in found}) == len(found)
    for (score, chunk, row), (best, _, _) in zip(found, expected, strict=False):
        assert score == pytest.approx(exact[chunk, row], abs=0.02)
        assert score == pytest.approx(best, abs=0.04)


def test_a_scan_of_more_than_it_holds_keeps_the_best_of_all() -> None:
    query = unit_query([1.0, 0.0])
    angles = np.linspace(0.0, 3.0, 3 * 1024 * 40, dtype=np.float32)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)
    scan = Scan(query, 3)
    for start in reversed(range(0, len(vectors), 1024)):
        part = vectors[start : start + 1024]
        scan.add(start, quantized(part.tobytes(), 2, range(len(part)), len(part)))
    assert [score for score, _, _ in scan.best()] == pytest.approx([1, 1, 1], abs=0.01)


@pytest.mark.parametrize("keep", [1, 40, 200])
def test_a_scan_picks_the_best_of_many_also_beside_damaged_ones(keep: int) -> None:
    random = np.random.default_rng(2)
    for count in (700, 3000, 9000):
        halves = random.standard_normal((count, 8)).astype(np.float16)
        halves[: count // 2] = halves[0]  # many are equal
        rows = quantized(halves.tobytes(), 8, range(count), count)
        scales = np.frombuffer(rows.scales, np.float32).copy()
        scales[random.choice(count, count // 3, replace=False)] = np.nan
        query = stored_query(pack_vector(random.standard_normal(8)))
        scan = Scan(query, keep)
        scan.add("x", rows._replace(scales=scales.tobytes()))
        small = np.frombuffer(b"".join(rows.small), np.int8).reshape(count, 8)
        scores = np.nan_to_num((small @ query) * scales, nan=-np.inf)
        best = np.sort(scores)[::-1][:keep]
        assert [score for score, _, _ in scan.best()] == pytest.approx(best.tolist(), abs=0.1)


def test_a_scan_leaves_out_only_what_is_surely_not_among_the_best() -> None:
    random = np.random.default_rng(1)
    wrong = 0
    for _ in range(8):
        center = random.standard_normal(256)
        vectors = center + 2 * random.standard_normal((3000, 256))
        packed = [pack_vector(vector) for vector in vectors]
        halves = np.array([unpack_vector(vector) for vector in packed], np.float32)
        query = stored_query(pack_vector(center + 0.3 * random.standard_normal(256)))
        scan = Scan(query, 200)
        for first in range(0, 3000, 1000):
            part = b"".join(packed[first : first + 1000])
            scan.add(first, quantized(part, 256, range(1000), 1000))
        likely = [first + row for _, first, row in scan.best(10)]
        exact = np.argsort(-(halves @ query), kind="stable")[:10].tolist()
        assert set(likely).issuperset(exact)
        assert len(likely) < 150
        wrong += set(likely[:10]) != set(exact)
    assert wrong  # else this would show nothing


def test_items_without_a_vector_have_no_row() -> None:
    rows = quantized(pack_vector([1.0, 0.0]) + pack_vector([0.0, 1.0]), 2, [1, 3], 4)
    scan = Scan(unit_query([1.0, 0.1]), 5)
    scan.add("x", rows, bytes([1, 0, 1, 1]))
    assert [(name, row) for _, name, row in scan.best()] == [("x", 1)]
