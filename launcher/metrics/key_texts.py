"""Keys as text, for people; the launcher unpickles none."""

from __future__ import annotations

import json
from typing import Final

from ...agent.errors import InputError
from ...store.encoding.keys import GROUP, decode_key

LONGEST: Final = 200
_PICKLED: Final = b"p"


def key_text(key: bytes) -> str:
    """A key as text: a text as it is, others as JSON or as Python writes them; cut if long."""
    own = key[3:] if key[:1] == GROUP else key
    if own[:1] == _PICKLED:
        return f"(a pickled key of {len(own)} bytes)"
    try:
        value = decode_key(key)
    except InputError:
        return repr(key)[:LONGEST]
    if isinstance(value, str):
        text = value.encode("utf-8", "backslashreplace").decode()
    else:
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
