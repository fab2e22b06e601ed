"""Values as trees of JSON, of bounded size, that say what they leave out.

Beyond what JSON has, there are these objects:

- `{"$type": "module.Class", "text": ...}`: a value without a JSON form, as its `repr`; with
  `"fields"` instead of the text for an object that has no `repr` of its own. So are integers that a
  browser would round, and numbers that JSON does not have;
- `{"$cut": N}` at the end of a list, or `"$cut": N` in an object: so many items are not shown;
- `{"$text": "...", "$cut": N}`: the beginning of a text;
- `{"$unreadable": "why"}`.
"""

from __future__ import annotations

import math
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["TreeMaker", "unreadable"]

_LARGEST: Final = 1 << 53
"""Browsers round larger integers."""
_MOST_NODES: Final = 20_000
_LONGEST: Final = 100_000
_DEEPEST: Final = 40
_LONGEST_KEY: Final = 200


def unreadable(why: str) -> dict[str, Any]:
    """Stands for a value that cannot be shown."""
    return {"$unreadable": why}


class TreeMaker:
    """Makes trees of one answer; all of them together are bounded.

    Args:
        other: makes simpler values of those of other types than Python's plain ones; None to show
            only what type they are, and to execute nothing of theirs.
    """

    def __init__(self, other: Callable[[Any], Any] | None = None) -> None:
        self._other = other
        self._nodes = _MOST_NODES
        self._letters = 10 * _LONGEST

    def tree(self, value: Any, depth: int = 0) -> Any:
        """The value as a tree."""
        self._nodes -= 1
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._text(value)
        if kind is int:
            return value if -_LARGEST <= value <= _LARGEST else _typed("int", _digits(value))
        if kind is float:
            return value if math.isfinite(value) else _typed("float", repr(value))
        if kind in (bytes, bytearray):
            return _typed(kind.__name__, self._cut(bytes(value[:_LONGEST]).hex(" ")))
        if depth >= _DEEPEST:
            return {"$cut": 1}
        if kind is dict:
            return self._object(value, depth)
        if kind in (list, tuple, set, frozenset):
            return self._list(value, depth)
        return self._of_class(value, depth)

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for done, (key, item) in enumerate(value.items()):
            if self._nodes <= 0 or self._letters <= 0:
                shown["$cut"] = len(value) - done
                break
            shown[self._key(key)] = self.tree(item, depth + 1)
        return shown

    def _list(self, value: Any, depth: int) -> list[Any]:
        shown: list[Any] = []
        items: Iterable[Any] = islice(value, _MOST_NODES)
        for done, item in enumerate(items):
            if self._nodes <= 0 or self._letters <= 0:
                return [*shown, {"$cut": len(value) - done}]
            shown.append(self.tree(item, depth + 1))
        rest = len(value) - len(shown)
        return [*shown, {"$cut": rest}] if rest else shown

    def _key(self, key: Any) -> str:
        if type(key) is str:
            text = key
        elif key is None or type(key) in (bool, int, float, bytes):
            text = _digits(key) if type(key) is int else repr(key)
        elif self._other is not None or type(key) is tuple:
            text = _repr_of(key) if self._other is not None else f"<{type(key).__name__}>"
        else:
            text = f"<{type(key).__name__}>"
        return self._cut(text, _LONGEST_KEY)

    def _text(self, value: str) -> Any:
        if len(value) <= min(_LONGEST, self._letters):
            self._letters -= len(value)
            return value
        kept = value[: max(0, min(_LONGEST, self._letters))]
        self._letters -= len(kept)
        return {"$text": kept, "$cut": len(value) - len(kept)}

    def _cut(self, text: str, longest: int = _LONGEST) -> str:
        longest = max(0, min(longest, self._letters))
        self._letters -= min(len(text), longest)
        return text if len(text) <= longest else f"{text[:longest]}..."

    def _of_class(self, value: Any, depth: int) -> Any:
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        if self._other is None:
            return _typed(name, "")
        simpler = self._other(value)
        if simpler is not NotImplemented:
            return self.tree(simpler, depth + 1)
        fields = getattr(value, "__dict__", None)
        has_no_repr = getattr(type(value), "__repr__", None) is object.__repr__
        if has_no_repr and type(fields) is dict:
            return {"$type": name, "fields": self._object(fields, depth + 1)}
        return _typed(name, self._cut(_repr_of(value)))


def _typed(name: str, text: str) -> dict[str, Any]:
    return {"$type": name.removeprefix("builtins."), "text": text}


def _digits(number: int) -> str:
    try:
        return str(number)
    except ValueError:  # Python refuses to write very long ones
        return hex(number)


def _repr_of(value: Any) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 (it is the user's code)
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
