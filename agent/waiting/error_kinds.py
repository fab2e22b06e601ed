"""Kinds of exceptions as users name them: classes, or names of classes.

A name spares an import, and can stand in YAML. It matches a class of that name, with or without
its module, and the classes derived from it. A name may be that of a library which is not imported
yet, so not every mistake in it can be seen; what can be seen is refused.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Collection, Iterator
from difflib import SequenceMatcher
from typing import Any, TypeAlias

from ..failures.error_text import is_of
from ..naming.classes import is_subclass

__all__ = ["ErrorKinds", "NamedKinds", "is_one_of", "parse_kinds"]

ErrorKinds: TypeAlias = tuple[type[BaseException] | str, ...]
NamedKinds: TypeAlias = (
    type[BaseException]
    | str
    | Collection[type[BaseException]]
    | Collection[str]
    | Collection[type[BaseException] | str]
)
"""As users give them: one, or several."""


def parse_kinds(value: object) -> ErrorKinds:
    """Return the kinds that a user has named: one, or several.

    Raises:
        ValueError: one is no exception; the text says which, and what was wanted.
    """
    several = isinstance(value, Collection) and not isinstance(value, (str, type))
    kinds: tuple[Any, ...] = tuple(value) if several else (value,)  # type: ignore[arg-type]
    for kind in kinds:
        if isinstance(kind, str):
            _check_name(kind)
        elif not is_subclass(kind, BaseException):
            msg = f"{kind!r} is no class of exceptions, and no name of one"
            raise ValueError(msg)
    return kinds


def is_one_of(error: BaseException, kinds: ErrorKinds) -> bool:
    """Whether an exception is of one of these kinds."""
    return any(
        is_of(error, kind) if isinstance(kind, type) else _is_named(error, kind) for kind in kinds
    )


def _is_named(error: BaseException, name: str) -> bool:
    found = _find(name)
    if found is not None and is_of(error, found):
        return True
    return any(_is_name_of(name, clazz) for clazz in type(error).__mro__)


def _is_name_of(name: str, clazz: type) -> bool:
    return name in (clazz.__name__, clazz.__qualname__, f"{clazz.__module__}.{clazz.__qualname__}")


def _find(name: str) -> type[BaseException] | None:
    """The exception that has this name in a module that is imported; None for none."""
    module, _, last = name.rpartition(".")
    try:
        found = getattr(sys.modules.get(module or "builtins"), last, None)
    except Exception:  # noqa: BLE001 (a module may have any `__getattr__`)
        return None
    return found if is_subclass(found, BaseException) else None


def _check_name(name: str) -> None:
    if not all(part.isidentifier() for part in name.split(".")):
        msg = f"{name!r} is no name of a class, with or without its module"
        raise ValueError(msg)
    if _find(name) or any(_is_name_of(name, clazz) for clazz in _imported(BaseException)):
        return
    module, _, last = name.rpartition(".")
    if not module:
        if hasattr(builtins, name):
            msg = f"{name!r} is no exception"
            raise ValueError(msg)
        meant = [each for each in vars(builtins) if _find(each) and _is_nearly(name, each)]
        if meant:
            msg = f"there is no exception {name!r}; perhaps {meant[0]!r} is meant"
            raise ValueError(msg)
    elif module in sys.modules and not _is_being_imported(module):
        msg = f"the module {module!r} has no exception {last!r}"
        raise ValueError(msg)


def _imported(clazz: type[BaseException]) -> Iterator[type[BaseException]]:
    """All exceptions of the modules that are imported."""
    yield clazz
    for each in type.__subclasses__(clazz):
        yield from _imported(each)


def _is_being_imported(module: str) -> bool:
    """Whether code of the module is running, so that its classes may not exist yet."""
    names = getattr(sys.modules[module], "__dict__", None)
    frame = inspect.currentframe()
    while frame is not None and frame.f_globals is not names:
        frame = frame.f_back
    return frame is not None


def _is_nearly(name: str, known: str) -> bool:
    """Whether two names differ by one character, or by two that have changed places."""
    blocks = SequenceMatcher(None, name, known, autojunk=False).get_matching_blocks()
    same = sum(block.size for block in blocks)
    return max(len(name), len(known)) - same <= 1
