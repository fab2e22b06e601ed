"""Loads the modules of Flink Agents into this process, to look at what they have.

Only for commands that look at programs: the process has the dialect of one program then.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Final

from .dialect import VARIABLE, dialect
from .installed import PACKAGE

__all__ = ["Modules"]

_ROOT: Final = "flink_agents"
_SAME_USE: Final = frozenset({"ResourceName"})
"""Classes of constants by the same names, with values that mean the same."""


class Modules:
    """The modules of one dialect, and the public names of tamias that they are made of.

    Args:
        of: the dialect.
    """

    def __init__(self, of: str) -> None:
        self.dialect = of
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
        if name in self._tamias.__all__ and self._is_form_of(self._public(name), value):
            return name
        # Equal constants are one object by chance.
        if not callable(value):
            return ""
        return next((each for each in self._tamias.__all__ if self._public(each) is value), "")

    def _public(self, name: str) -> object:
        try:
            return getattr(self._tamias, name)
        except ImportError:  # its extra is not installed
            return None

    @staticmethod
    def _is_form_of(public: object, value: object) -> bool:
        """Whether a value is a public one, or what the versions of Flink Agents have made of it."""
        if public is value:
            return True
        if isinstance(public, type):
            if not isinstance(value, type):
                return False
            return issubclass(value, public) or value.__name__ in _SAME_USE
        ours = str(getattr(value, "__module__", "")).partition(".")[0] == _ROOT
        return ours and callable(public) and callable(value) and not isinstance(value, type)

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
