"""Pickles classes of `__main__` by value, so that they are still the same class in another process.

A class of a script or a notebook cannot be imported by other processes, so its definition travels
with every value. cloudpickle does that, and recognises a class by an id that is random in each
process. So a value that an earlier life of a job has stored would be loaded as an instance of
another class that only looks the same: `isinstance` is false, `except` does not catch it, and no
action gets an event of it.

Here a class of `__main__` is also identified by its name, as classes of modules are. Loading a
value uses the class of that name, from `__main__` or from what was loaded before; only if there is
none, the class is made from the definition. A worker loads its agent first, so it uses the classes
of the current program, and definitions from the store only for classes that the program does not
have any more.

Classes made inside functions have no unique name; they are pickled as cloudpickle does it.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any

import cloudpickle

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["dumps_by_value"]

_loaded: dict[str, type] = {}
"""Classes made from their definitions, by qualified name."""
_empty: set[type] = set()
"""Those of them that have no body yet."""


def dumps_by_value(value: Any) -> bytes:
    """A pickle of `value` with the definitions of functions and classes of `__main__`.

    Raises the errors that parts of `value` raise when they are pickled.
    """
    file = io.BytesIO()
    _Pickler(file, 5).dump(value)
    return file.getvalue()


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        reduced = super().reducer_override(obj)
        if reduced is NotImplemented or not isinstance(obj, type) or not _is_named(obj):
            return reduced
        make, arguments, body, *_, fill = reduced
        return _class, (obj.__qualname__, make, arguments), (fill, body), None, None, _fill


def _is_named(clazz: type) -> bool:
    return clazz.__module__ == "__main__" and _find(clazz.__qualname__) is clazz


def _find(name: str) -> type | None:
    """The class of `__main__` with this name in this process."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    found: Any = None
    if spec is None or not spec.name.startswith("tamias."):  # a user's program
        found = main
        for part in name.split("."):
            found = getattr(found, part, None)
    return found if isinstance(found, type) else _loaded.get(name)


def _class(name: str, make: Callable[..., type], arguments: tuple[Any, ...]) -> type:
    found = _find(name)
    if found is None:
        found = _loaded[name] = make(*arguments)
        _empty.add(found)
    return found


def _fill(clazz: type, body: tuple[Callable[[type, Any], Any], Any]) -> None:
    if clazz in _empty:
        _empty.discard(clazz)
        fill, state = body
        fill(clazz, state)
