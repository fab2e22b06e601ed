"""Hooks: small classes that are called at fixed points of a process, and how they are found.

In the manner of dramatiq's middleware: an ordered list of objects, all of one base class whose
methods do nothing. A hook overrides the methods it is interested in. The launcher and the workers
have a base class each (`launcher/hooks.py`, `worker/hooks.py`); this module is what both share.

Hooks are found in two places, in this order: entry points of a group, sorted by name, and an option
that lists classes as ``module:Class``.

A hook only observes. Whatever one of its methods raises is contained: it is counted, and logged
once per hook. A method that no hook overrides costs one look-up in a dict; the caller of a hot path
can ask once, with `wants`, and skip the rest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from .errors import ConfigError
from .naming.classes import is_subclass

__all__ = ["Hooks", "find_hooks", "load_hooks", "make_hooks"]

H = TypeVar("H")
P = ParamSpec("P")

_LOG: Final = logging.getLogger("tamias.hooks")


class Hooks(Generic[H]):
    """An ordered list of hooks of one base class.

    Attributes:
        errors: how many calls have raised.
    """

    __slots__ = ("_base", "_hooks", "_listeners", "_reported", "errors")

    def __init__(self, base: type[H], hooks: Iterable[H] = ()) -> None:
        self._base = base
        self._hooks = list(hooks)
        self._reported: set[int] = set()
        self.errors = 0
        self._listeners: dict[str, list[tuple[H, Callable[..., object]]]] = {}
        for hook in self._hooks:
            self._register(hook)

    def _register(self, hook: H) -> None:
        for name, method in vars(self._base).items():
            if name.startswith("_") or getattr(type(hook), name) is method:
                continue
            self._listeners.setdefault(name, []).append((hook, getattr(hook, name)))

    def __iter__(self) -> Iterator[H]:
        return iter(self._hooks)

    def __len__(self) -> int:
        return len(self._hooks)

    def wants(self, method: Callable[..., object]) -> bool:
        """Whether any hook overrides this method of the base class."""
        return method.__name__ in self._listeners

    def call(
        self, method: Callable[Concatenate[H, P], None], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        """Call this method of each hook that overrides it, in order; errors are contained."""
        for hook, listener in self._listeners.get(method.__name__, ()):
            try:
                listener(*args, **kwargs)
            except KeyboardInterrupt:
                raise
            except BaseException:  # noqa: BLE001 (nothing that a hook does may end the process)
                self._failed(hook, method.__name__)

    def _failed(self, hook: H, method: str) -> None:
        self.errors += 1
        if id(hook) not in self._reported:
            self._reported.add(id(hook))
            name = f"{type(hook).__module__}:{type(hook).__qualname__}"
            _LOG.exception(
                "the hook %s failed in %s; further errors are only counted", name, method
            )


def load_hooks(base: type[H], group: str, names: str = "", *, first: Iterable[H] = ()) -> Hooks[H]:
    """Find the hooks of a process and make them; `first` come before those that are found.

    Raises:
        ConfigError: as `find_hooks`, or one of the classes cannot be made.
    """
    kinds, broken = find_hooks(base, group, names)
    return make_hooks(base, kinds, broken, first=first)


def make_hooks(
    base: type[H], kinds: Iterable[type[H]], broken: int = 0, *, first: Iterable[H] = ()
) -> Hooks[H]:
    """Make an object of each class; `broken` counts as errors from the beginning.

    Raises:
        ConfigError: one of them cannot be made.
    """
    hooks = list(first)
    for kind in kinds:
        try:
            hooks.append(kind())
        except (Exception, SystemExit) as error:
            raise _unusable(f"{kind.__module__}:{kind.__qualname__}", error) from error
    loaded = Hooks(base, hooks)
    loaded.errors = broken
    return loaded


def find_hooks(base: type[H], group: str, names: str = "") -> tuple[list[type[H]], int]:
    """Import the classes of hooks, without making any.

    Args:
        base: the class that all of them derive from.
        group: the group of entry points in which installed packages offer hooks.
        names: ``module:Class``, separated by commas.

    Returns:
        The classes, in the order in which they are called, and the number of entry points that
        cannot be imported: each is logged.

    Raises:
        ConfigError: one of `names` cannot be imported, or is no such class.
    """
    kinds: list[type[H]] = []
    broken = 0
    for entry in sorted(entry_points(group=group), key=lambda entry: entry.name):
        try:
            kinds.append(_checked(base, entry.load()))
        except (Exception, SystemExit):  # noqa: BLE001 (another package's mistake ends no pool)
            broken += 1
            _LOG.exception("the hook %s (entry point %s) cannot be loaded", entry.value, entry.name)
    kinds += [_named(base, name) for name in names.split(",") if name]
    return kinds, broken


def _named(base: type[H], name: str) -> type[H]:
    module, _, attribute = name.partition(":")
    try:
        found: Any = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return _checked(base, found)
    except (Exception, SystemExit) as error:
        raise _unusable(name, error) from error


def _unusable(name: str, error: BaseException) -> ConfigError:
    return ConfigError(
        f"The hook {name} cannot be made: {type(error).__name__}: {error}",
        hint="A hook is given as module:Class; the module must be importable (PYTHONPATH).",
    )


def _checked(base: type[H], kind: object) -> type[H]:
    if not is_subclass(kind, base):
        raise TypeError(f"{kind!r} is no {base.__name__}")
    return kind
