"""A key as it is given to a command: text first, and JSON second."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from .json_text import json_line


def given_keys(text: str) -> list[Any]:
    """The keys that a text may mean: itself and, if it is JSON that can be a key, that value."""
    candidates: list[Any] = [text]
    with suppress(ValueError, RecursionError):
        value = json.loads(text)
        if value is None or isinstance(value, (bool, int, float)):
            candidates.append(value)
        elif isinstance(value, (str, list)):
            candidates.append(tuple(value) if isinstance(value, list) else value)
    return candidates


def key_name(key: Any) -> str:
    """A key as it is given to a command; a text that is also JSON has quotes."""
    if not isinstance(key, str):
        return json_line(key)
    with suppress(ValueError, RecursionError):
        json.loads(key)
        return json.dumps(key, ensure_ascii=False)
    return key
