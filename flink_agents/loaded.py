"""Loads the modules of Flink Agents into this process, to look at what they have.

Only for commands that look at programs: the process has the dialect of one program then.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Final

from .dialect import VARIABLE, dialect
from .reading import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Modules"]

_ROOT: Final = "flink_agents"


class Modules:
    """The modules of one dialect, and the public names of tamias that they are made of.

    Args:
        of: the dialect.
    """

    def __init__(self, of: str) -> None:
        os.environ[VARIABLE] = of
        dialect.cache_clear()
        for name in [each for each in sys.modules if each.partition(".")[0] == _ROOT]:
            del sys.modules[name]
        sys.path[:] = [
            str(PACKAGE.parent),
            *(each for each in sys.path if each != str(PACKAGE.parent)),
        ]
        self._tamias = import_module(__name__.rsplit(".", 2)[0])
        self._loaded: dict[str, ModuleType | str] = {}

    def why_missing(self, module: str, name: str = "") -> str:
        """Why a module, or a name in it, cannot be imported; empty, if it can."""
        found = self._module(module)
        if isinstance(found, str):
            return found
        if name in {"", "*"} or self._has(found, name):
            return ""
        return f"flink_agents.{module} has no {name}"

    def counterpart(self, module: str, name: str) -> str:
        """The public name of tamias that a name stands for; empty, if there is none."""
        found = self._module(module)
        if isinstance(found, str) or not self._has(found, name):
            return ""
        value = getattr(found, name)
        return next((each for each in self._candidates(name) if self._is(each, value)), "")

    def _candidates(self, name: str) -> Iterator[str]:
        """Names to look at: the same one first, then those it would have by another module."""
        if name in self._tamias.__all__:
            yield name
        yield from (each for each in self._tamias.__all__ if each != name)

    def _is(self, public: str, value: object) -> bool:
        try:
            found = getattr(self._tamias, public)
        except ImportError:  # its extra is not installed
            return False
        if found is not value:
            return False
        # Equal constants are one object by chance.
        return not isinstance(value, (str, int, float, tuple)) or public.isupper()

    def _module(self, module: str) -> ModuleType | str:
        if module not in self._loaded:
            whole = f"{_ROOT}.{module}" if module else _ROOT
            try:
                self._loaded[module] = import_module(whole)
            except ModuleNotFoundError as error:
                ours = (error.name or "").partition(".")[0] == _ROOT
                self._loaded[module] = (
                    f"there is no {error.name}"
                    if ours
                    else f"{whole} needs {error.name}, which is not installed"
                )
            except Exception as error:  # noqa: BLE001 (whatever a module does, it is of no use then)
                self._loaded[module] = f"{whole} cannot be imported: {error}"
        return self._loaded[module]

    @staticmethod
    def _has(module: ModuleType, name: str) -> bool:
        try:
            getattr(module, name)
        except (AttributeError, ImportError):
            return False
        return True
