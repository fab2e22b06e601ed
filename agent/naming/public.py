"""`public`: classes that users import from `tamias` say that they belong there.

Pickles name a class by its module. Users pickle public classes into stores, savepoints and files,
which outlive the module that a class happens to be defined in.

`inspect.getsource` finds no source for a public class, since it searches the file of the module
that the class names. The source of its methods is found.
"""

from __future__ import annotations

import inspect
import sys
from typing import TypeVar, get_type_hints

__all__ = ["public"]

_C = TypeVar("_C", bound=type)


def public(cls: _C) -> _C:
    """Set the module of `cls` to `tamias`. Goes on top of all other decorators.

    The annotations of `cls` are evaluated first: `typing.get_type_hints` and pydantic look names
    up in the module of a class, here and again for each subclass that a user defines.

    Raises:
        NameError: an annotation names something that its module imports only for type checkers.
    """
    own = inspect.get_annotations(cls)
    if own:
        names = vars(sys.modules[cls.__module__])
        holder = type(cls.__name__, (), {"__annotations__": own})
        self = {cls.__name__: cls}
        cls.__annotations__ = get_type_hints(holder, names, self, include_extras=True)
    cls.__module__ = "tamias"
    if "__firstlineno__" in cls.__dict__:  # Python 3.13: a line of another file from now on
        del cls.__firstlineno__  # type: ignore[attr-defined]
    return cls
