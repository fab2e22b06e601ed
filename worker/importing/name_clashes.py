"""Finds files of the user that have the names of other modules.

A `queue.py` beside the agent has the name of a module of Python. Which of the two is imported
depends on what was imported before: tamias and all that it needs are loaded when the agent is
imported, so their modules win, and others lose. Either way an import fails, and what Python says of
it does not name the file.
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from ...agent.failures.error_text import traceback_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def name_clash(error: BaseException) -> str:
    """Return the advice for an import that failed because of such a file; empty if none did."""
    for name in _names(error):
        for folder in dict.fromkeys(filter(None, sys.path)):
            file = Path(folder) / f"{name}.py"
            if not _is_users(folder) or not file.is_file():
                continue
            loaded = getattr(sys.modules.get(name), "__file__", None)
            if loaded is not None and Path(loaded) == file:
                if name in sys.stdlib_module_names:
                    return f"{file} hides the module {name} of Python: give it another name."
            elif name in sys.modules:
                return (
                    f"{file} is not imported, because another module {name} is loaded already"
                    f" ({loaded or 'built in'}): give it another name."
                )
    return ""


def _names(error: BaseException) -> Iterator[str]:
    """The modules that an error is about, the most probable first."""
    if isinstance(error, ImportError) and error.name:
        yield error.name.partition(".")[0]
    module = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
    if isinstance(module, type(sys)):
        yield module.__name__.partition(".")[0]
    for frame in reversed(traceback.extract_tb(traceback_of(error))):
        yield Path(frame.filename).stem


def _is_users(folder: str) -> bool:
    """Whether a folder of the path is neither Python's nor one of installed packages."""
    return not (
        folder.startswith((sys.prefix, sys.base_prefix))
        or "site-packages" in folder
        or "dist-packages" in folder
    )
