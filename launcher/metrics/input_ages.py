"""When inputs were read, so that the age of the oldest one is known."""

from __future__ import annotations

from typing import Final

__all__ = ["InputAges"]

_LEAST_SECONDS: Final = 0.1
"""Between two marks."""
_MOST_MARKS: Final = 1000


class InputAges:
    """Marks of the times at which the input had been read up to some position.

    Inputs are read in ascending order. The number of marks is bounded: of more, every second one
    is dropped, so that of an input that is very old the age is known less exactly.
    """

    def __init__(self) -> None:
        self._marks: list[tuple[int, float]] = []

    def read(self, offset: int, now: float) -> None:
        """Inputs from this one on were read."""
        marks = self._marks
        if marks and now - marks[-1][1] < _LEAST_SECONDS:
            return
        marks.append((offset, now))
        if len(marks) > _MOST_MARKS:
            del marks[1::2]

    def age(self, oldest: int | None, now: float) -> float | None:
        """The age of the oldest input that is not done; all before it are forgotten."""
        marks = self._marks
        if oldest is None:
            del marks[:-1]
            return None
        while len(marks) > 1 and marks[1][0] <= oldest:
            del marks[0]
        return now - marks[0][1] if marks and marks[0][0] <= oldest else None
