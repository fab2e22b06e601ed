"""`Row`: what an element of a table, or of a stream of rows, is to an action.

`JsonRow` is what anything with fields is where values are as JSON has them.
"""

from __future__ import annotations

from typing import Any

from .naming.public import public

__all__ = ["JsonRow", "Row"]


@public
class Row(dict[str, Any]):
    """The fields of a row by name, in order: ``row["id"]``, ``row.id`` or, by position, ``row[0]``.

    A dict in every other respect, so an agent that was written for JSON objects or CSV rows works
    on a table, too. It compares equal to a dict with the same fields.
    """

    __slots__ = ()

    def __missing__(self, name: object) -> Any:
        if isinstance(name, int):
            try:
                return list(self.values())[name]
            except IndexError:
                raise IndexError(f"the row has {len(self)} fields, not {name + 1}") from None
        raise KeyError(name)

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the row has no field {name!r}") from None

    def __reduce__(self) -> tuple[type[Row], tuple[dict[str, Any]]]:
        return Row, (dict(self),)

    def __repr__(self) -> str:
        return f"Row({', '.join(f'{name}={value!r}' for name, value in self.items())})"


@public
class JsonRow(Row):
    """A JSON object: a dict whose fields are attributes, too, and which is printed as a dict."""

    __slots__ = ()

    def __reduce__(self) -> tuple[type[JsonRow], tuple[dict[str, Any]]]:
        return JsonRow, (dict(self),)

    __repr__ = dict.__repr__
