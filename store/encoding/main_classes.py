"""Classes of `__main__`, pickled by value and yet the same class wherever and whenever they arrive.

A class of a script or a notebook cannot be imported by other processes, so its definition travels
with every value. cloudpickle does that, and recognises a class that it has met by an id drawn at
random in the process that first pickled it. So what an earlier life of a job has stored comes back
as an instance of a stranger that merely looks the same: `isinstance` says no, `except` does not
catch it, an event of it reaches no action.

Here a class of `__main__` goes by its name as well, as classes of modules do. Whoever loads it
takes the class of that name that is there, from `__main__` itself or from what was loaded before,
and makes one from the definition only when there is none. A worker loads its agent first, so it has
the classes of the current program, and of all that is stored those that the program has dropped.

Classes made inside functions have no such name (there may be several); they stay as cloudpickle
has them.
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
"""Those of them whose bodies have not arrived yet."""


def dumps_by_value(value: Any) -> bytes:
    """A pickle of `value` in which functions and classes of `__main__` are written out.

    Raises whatever the parts of `value` raise when they are pickled.
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
    """The class of `__main__` that goes by this name here."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    found: Any = None
    if spec is None or not spec.name.startswith("tamias."):  # the program's, and not our own
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
