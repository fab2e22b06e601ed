"""JSON for scripts, of values that an agent has stored: anything an output may hold, and bytes.

What has no JSON form is shown as its `repr`: someone is looking, and wants to see the rest.
"""

from __future__ import annotations

import json
from typing import Any

from ..agent.errors import TamiasError
from ..store.encoding.json_text import dumps_json
from ..store.encoding.keys import decode_key
from ..store.encoding.values import loads


def json_line(value: Any) -> str:
    """The value as JSON, on one line."""
    return dumps_json(value).decode()


def plain(value: Any) -> Any:
    """The value as JSON would have it, `repr` where it has nothing for it."""
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
    return repr(value)


def stored(data: bytes) -> Any:
    """A stored value as JSON would have it.

    A value whose class is only known where the agent runs is shown as a remark.
    """
    try:
        return plain(loads(data))
    except Exception as error:  # noqa: BLE001 (unpickling runs the class's own code)
        return f"<{type(error).__name__}: {error}>"


def shown_key(key: bytes) -> Any:
    """An encoded key as JSON would have it; None where there is none."""
    return plain(decode_key(key)) if key else None
