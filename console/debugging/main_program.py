"""A program's file as the module `__main__`, which it was when the program ran.

What the program has stored names its functions and classes so: calls on record, events, values. So
a module that was imported from the file under another name takes that name; what is behind
``if __name__ == "__main__"`` is not executed.
"""

from __future__ import annotations

import sys
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from ...agent.agent import Agent

__all__ = ["be_main"]

_MAIN = "__main__"


def be_main(agent: Agent | type[Agent]) -> None:
    """Have the module of an agent be `__main__`, with all that it defines."""
    owner = agent if isinstance(agent, type) else type(agent)
    module = sys.modules.get(owner.__module__)
    if module is None or module.__name__ == _MAIN:
        return
    _rename(module, module.__name__)
    sys.modules[_MAIN] = module


def _rename(module: ModuleType, name: str) -> None:
    seen: set[int] = set()
    pending: list[Any] = list(vars(module).values())
    module.__name__ = _MAIN
    while pending:
        found = pending.pop()
        if isinstance(found, (staticmethod, classmethod)):
            found = found.__func__
        if id(found) in seen or not isinstance(found, (type, FunctionType)):
            continue
        seen.add(id(found))
        if found.__module__ == name:
            found.__module__ = _MAIN
            if isinstance(found, type):
                pending += vars(found).values()
