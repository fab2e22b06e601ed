"""Fields of a key's memory, found by dotted path, and how a value is written in a cell."""

from __future__ import annotations

from typing import Any, Final

from ...agent.errors import UsageError
from ...console.values.json_text import json_line, plain

MISSING: Final = object()
"""What `find` returns where there is no such field."""

KEY: Final = "key"
MEMORY: Final = "short_term"


def columns(paths: list[str]) -> list[tuple[str, str]]:
    """Return the name of each field's column, with the field's path.

    Raises:
        UsageError: two columns would have one name, or a path is none.
    """
    named = [(f"{MEMORY}.{path}" if path == KEY else path, path) for path in paths]
    names = [name for name, _ in named]
    for name, path in named:
        if not all(path.split(".")):
            raise UsageError(
                f"{path!r} is not a field.", hint="Name a field by its path: --field last.value."
            )
        if names.count(name) > 1:
            raise UsageError(f"The field {name} is named twice.", hint="Name each field once.")
    return named


def find(memory: Any, path: str) -> Any:
    """Return the value at a dotted path, which may lead into a value; `MISSING` if none is there.

    Names in dicts that an agent has stored may have dots of their own.
    """
    if not isinstance(memory, dict):
        return MISSING
    if path in memory:
        return memory[path]
    end = path.find(".")
    while end >= 0:
        if path[:end] in memory:
            found = find(memory[path[:end]], path[end + 1 :])
            if found is not MISSING:
                return found
        end = path.find(".", end + 1)
    return MISSING


def chosen(memory: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """Return a key's memory with these fields only, nested as they were."""
    result: dict[str, Any] = {}
    for path in paths:
        value = find(memory, path)
        if value is not MISSING:
            *above, name = path.split(".")
            place = result
            for part in above:
                inner = place.get(part)
                place[part] = place = dict(inner) if isinstance(inner, dict) else {}
            place[name] = value
    return result


def cell(value: Any) -> str | None:
    """Return a value as text: a text as it is, anything else as JSON; None if there is nothing."""
    if value is MISSING or value is None:
        return None
    return sound(value) if isinstance(value, str) else json_line(value)


def key_value(key: Any) -> Any:
    """Return a key in the types of JSON."""
    return plain(key)


def sound(text: str) -> str:
    """Return a text that UTF-8 can hold: half a surrogate pair is written with a backslash."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode(errors="backslashreplace").decode()
    return text
