"""Checkpoints kept in a list, for tests of deliveries."""

from __future__ import annotations

import json
from typing import Any


class SavedCheckpoints(list[dict[str, Any]]):
    """All checkpoints that were saved, as a progress log gives them back: JSON."""

    def load(self) -> dict[str, Any] | None:
        return self[-1] if self else None

    def save(self, record: dict[str, Any]) -> None:
        self.append(json.loads(json.dumps(record)))
