"""Public names that are imported only when asked for, because of what they bring along."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def lazily(package: str, names: dict[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package some of whose names are in modules below it.

    Args:
        package: its ``__name__``.
        names: by module, relative to the package, the names that are in it, with spaces between.
    """
    places = {name: module for module, some in names.items() for name in some.split()}

    def getattribute(name: str) -> Any:
        place = places.get(name)
        if place is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(place, package), name)

    return getattribute
