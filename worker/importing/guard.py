"""Refuses to start a pool while the agent is imported.

A file with an agent and `env.execute()` at its end runs the agent when it is called as a program.
When it is given to `tamias run`, each zygote imports it, and would start another pool, whose zygote
would do the same. So an environment variable says that an agent is being imported. Processes that
the import starts inherit it: a command in one of them is refused, too.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from ...agent.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORT_VARIABLE: Final = "TAMIAS_IMPORT"
"""Set while the agent is imported: the process that does it, a colon, and the target."""
_GUARD: Final = 'if __name__ == "__main__":'


@contextmanager
def importing_agent(target: str | None) -> Iterator[None]:
    """In this block no pool may be started by this process or its children."""
    os.environ[IMPORT_VARIABLE] = f"{os.getpid()}:{target or 'the agent'}"
    try:
        yield
    finally:
        os.environ.pop(IMPORT_VARIABLE, None)


def is_importing_here() -> bool:
    """Whether this process imports an agent now."""
    return os.environ.get(IMPORT_VARIABLE, "").partition(":")[0] == str(os.getpid())


def refuse_during_import(what: str) -> None:
    """Raise UsageError if an agent is being imported, by this process or one that started it.

    Args:
        what: what is refused, as a user writes it.
    """
    importer, _, target = os.environ.get(IMPORT_VARIABLE, "").partition(":")
    if not importer:
        return
    place = _calling_place() if is_importing_here() else "its module"
    raise UsageError(
        f"{what} was called while a pool imports {target}: each of its processes would start"
        " another pool.",
        hint=f"In {place}, put it below this line, indented: {_GUARD}",
    )


def _calling_place() -> str:
    """Find the line of a module that has led here."""
    frames = traceback.extract_stack(sys._getframe())  # noqa: SLF001 (documented)
    for frame in frames:
        if frame.name == "<module>" and os.path.exists(frame.filename):  # noqa: PTH110
            return f"{frame.filename}, line {frame.lineno}"
    return "its module"
