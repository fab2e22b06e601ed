"""JSON for scripts, of values that an agent has stored: anything an output may hold, and bytes.

A value without a JSON form is shown as its `repr`, so that the rest of the output can be read.
"""

from __future__ import annotations

import json
from typing import Any

from ..agent.errors import TamiasError
from ..store.encoding.json_text import dumps_json
from ..store.encoding.keys import decode_key


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
