"""Fewer garbage collections while a pool works.

Python looks through all container objects again and again while their number grows, in search of
cycles. The launcher makes one for every input under way, and a list of outputs grows to millions
of them; none is garbage, and the looking takes as long as all the rest of the launcher's work. The
young are still looked through, in larger portions; the old, with the program's own heap among
them, hardly ever.
"""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_THRESHOLDS: Final = (50_000, 50, 1000)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Collect rarely in this block, as before after it."""
    before = gc.get_threshold()
    if 0 < before[0] < _THRESHOLDS[0]:
        gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
