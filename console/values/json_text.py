"""JSON for scripts, of values that an agent has stored: anything an output may hold, and bytes.

A value without a JSON form is shown as its `repr`, so that the rest of the output can be read.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from ...agent.errors import TamiasError
from ...store.encoding.json_text import dumps_json
from ...store.encoding.keys import decode_key


def json_line(value: Any) -> str:
    """Return the value as JSON, on one line."""
    return dumps_json(value).decode()


def plain(value: Any) -> Any:
    """Return the value as plain JSON types; parts without a JSON form as their `repr`."""
    try:
        return json.loads(dumps_json(value))
    except TamiasError:
        pass
    if isinstance(value, dict):
        return {key if isinstance(key, str) else repr(key): plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 (`__repr__` may raise anything)
        kind = type(value)
        return f"<{kind.__module__}.{kind.__qualname__}, whose repr raises {type(error).__name__}>"


def shown_key(key: bytes) -> Any:
    """Return an encoded key as plain JSON types; None if there is none."""
    return plain(decode_key(key)) if key else None


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
    """A key as it is given to a command; a text that is also JSON has quotes.

    What cannot be printed is escaped, as a key may come from a stranger.
    """
    if not isinstance(key, str):
        return json_line(key)
    if not key.isprintable():
        return json.dumps(key)
    with suppress(ValueError, RecursionError):
        json.loads(key)
        return json.dumps(key, ensure_ascii=False)
    return key
