"""Vectors that are kept until their sets have them: whole rows, whatever died."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tamias.store.at_rest.kept_vectors import KeptVectors, digest_of
from tamias.store.sets.index.vectors import pack_vector

if TYPE_CHECKING:
    from pathlib import Path

VECTORS = [(digest_of(f"text {number}"), pack_vector([1.0, number])) for number in range(9000)]


def test_what_was_added_is_there_the_next_time(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with KeptVectors(folder, "m", 2) as kept:
        kept.add(VECTORS[:2])
        assert kept.find(VECTORS[0][0]) == VECTORS[0][1]
        kept.add(VECTORS[2:])
    with KeptVectors(folder, "m", 2) as kept:
        assert all(kept.find(digest) == vector for digest, vector in VECTORS)
        assert kept.find(digest_of("other")) is None
        assert digest_of("other") not in kept
        kept.add([(digest_of("other"), VECTORS[1][1])])
        assert kept.find(digest_of("other")) == VECTORS[1][1]
        kept.remove()
    assert not folder.exists()


def test_models_and_dimensions_have_files_of_their_own(tmp_path: Path) -> None:
    with KeptVectors(tmp_path, "m", 2) as kept:
        kept.add(VECTORS[:1])
    for model, dimensions in (("n", 2), ("m", 3)):
        with KeptVectors(tmp_path, model, dimensions) as kept:
            assert VECTORS[0][0] not in kept
            kept.remove()
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("lost", [1, 4, 23, 24, 25, 24 * 5000])
def test_a_row_that_was_cut_off_is_dropped(tmp_path: Path, lost: int) -> None:
    with KeptVectors(tmp_path, "m", 2) as kept:
        kept.add(VECTORS)
    (path,) = tmp_path.iterdir()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - lost)
    whole = len(VECTORS) - -(-lost // 24)
    with KeptVectors(tmp_path, "m", 2) as kept:
        assert [digest in kept for digest, _ in VECTORS] == [True] * whole + [False] * (
            len(VECTORS) - whole
        )
        kept.add(VECTORS[whole:])
        assert all(kept.find(digest) == vector for digest, vector in VECTORS)


@pytest.mark.parametrize("place", [3, 60])
def test_damage_costs_vectors_and_gives_no_wrong_ones(tmp_path: Path, place: int) -> None:
    with KeptVectors(tmp_path, "m", 2) as kept:
        kept.add(VECTORS[:5])
    (path,) = tmp_path.iterdir()
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with KeptVectors(tmp_path, "m", 2) as kept:
        found = [kept.find(digest) for digest, _ in VECTORS[:5]]
        assert None in found
        for vector, (_, right) in zip(found, VECTORS, strict=False):
            assert vector in (None, right)
