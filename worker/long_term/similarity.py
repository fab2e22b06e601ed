"""Which vectors are similar, block by block. Needs numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ...store.sets.index.vectors import numpy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

_ROWS: Final = 1024
_ROUNDING: Final = 1e-6
"""By so much the cosine of equal vectors may be below 1."""


def similar_places(
    vectors: Mapping[int, bytes], own: Sequence[int], places: Sequence[int], above: float
) -> Iterator[tuple[int, int]]:
    """Pairs of places whose vectors are similar, in the order of the places.

    Args:
        vectors: by place; float16, of one length, and of length 1.
        own: the places to compare with others, ascending.
        places: the others, ascending.
        above: the cosine from which on two are similar.
    """
    least = above - _ROUNDING
    for begin in range(0, len(own), _ROWS):
        some = own[begin : begin + _ROWS]
        rows = _matrix(vectors, some)
        for start in range(0, len(places), _ROWS):
            others = places[start : start + _ROWS]
            cosines = rows @ _matrix(vectors, others).T
            for row, column in numpy().argwhere(cosines >= least).tolist():
                if some[row] != others[column]:
                    yield some[row], others[column]


def _matrix(vectors: Mapping[int, bytes], places: Sequence[int]) -> NDArray[Any]:
    np = numpy()
    data = b"".join([vectors[place] for place in places])
    halves = np.frombuffer(data, np.dtype("<f2")).reshape(len(places), -1)
    matrix = halves.astype(np.float32)
    unit: NDArray[Any] = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return unit
