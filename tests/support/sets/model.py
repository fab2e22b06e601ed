"""A plain model of the memory sets of a shard: dicts, and searches that compare everything."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from tamias.store.sets.changes import SetChange, SetName
from tamias.store.sets.parts import fits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tamias.store.sets.records import SetSettings, StoredItem

WORDS = "tea coffee milk sugar water cake bread jam".split()


class ModelSet:
    """One set: its settings, and items in the order in which they were added."""

    def __init__(self) -> None:
        self.settings: SetSettings | None = None
        self.items: dict[str, StoredItem] = {}

    def apply(self, change: SetChange) -> None:
        """Apply what a commit writes."""
        if change.cleared:
            self.items.clear()
            if change.dropped:
                self.settings = None
        if change.settings is not None:
            self.settings = change.settings
        for item_id, item in change.items.items():
            self.items.pop(item_id, None)
            if item is not None:
                self.items[item_id] = item

    def seen_with(self, change: SetChange | None) -> ModelSet:
        """The set under changes that are not committed."""
        seen = ModelSet()
        seen.settings = self.settings
        seen.items = dict(self.items)
        if change is not None:
            seen.apply(change)
        return seen

    def expire(self, now: float) -> None:
        """Remove what has expired."""
        for item_id in [i for i, item in self.items.items() if item.is_expired(now)]:
            del self.items[item_id]


def words_in(item: StoredItem) -> Counter[str]:
    """The words of an item whose text is words and blanks."""
    return Counter(item.value.split())


def word_scores(seen: ModelSet, text: str) -> dict[str, float]:
    """BM25 of each item that has one of the words, computed from the formula."""
    documents = {item_id: words_in(item) for item_id, item in seen.items.items()}
    total = sum(sum(document.values()) for document in documents.values())
    mean = total / len(documents) if documents and total else 1.0
    scores: dict[str, float] = {}
    for word in set(text.split()):
        having = [item_id for item_id, document in documents.items() if document[word]]
        rarity = math.log(1 + (len(documents) - len(having) + 0.5) / (len(having) + 0.5))
        for item_id in having:
            count = min(255, documents[item_id][word])
            length = sum(documents[item_id].values())
            weight = count * 2.2 / (count + 1.2 * (0.25 + 0.75 * length / mean))
            scores[item_id] = scores.get(item_id, 0.0) + rarity * weight
    return scores


def cosines_of(seen: ModelSet, vector: bytes) -> dict[str, float]:
    """The cosine of each item that has a vector of the right length."""
    wanted = np.frombuffer(vector, np.float16).astype(np.float64)
    return {
        item_id: float(np.frombuffer(item.vector, np.float16).astype(np.float64) @ wanted)
        for item_id, item in seen.items.items()
        if len(item.vector) == len(vector)
    }


def findable(
    seen: ModelSet, scores: Mapping[str, float], filters: Mapping[str, Any] | None, now: float
) -> dict[str, float]:
    """What of some scores may be found."""
    return {
        item_id: score
        for item_id, score in scores.items()
        if not seen.items[item_id].is_expired(now) and fits(seen.items[item_id], filters)
    }


Model = dict[SetName, ModelSet]
