"""Begins a job anew in place of an earlier one, whose state and output are lost only when it works.

The state directory and the output of the earlier job are set aside under other names. If the new
job cannot begin (a misspelt agent, a missing input), they are put back; else they are deleted.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...agent.errors import UsageError
from ...store.state.directory import StateDirectory

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIX: Final = ".replaced"


@contextmanager
def begun_anew(state: Path, output: str | None) -> Iterator[None]:
    """Set an earlier job aside for the block in which its successor runs.

    Args:
        state: the state directory; if there is none, nothing is done.
        output: the file that the job has written; None if it has written none.

    Raises:
        StoreFormatError: `state` is not a state directory.
        StoreLockedError: a living launcher uses it.
        UsageError: a file has the name under which the output is set aside.
    """
    if not StateDirectory.is_made(state):
        yield
        return
    aside = _aside(state)
    delete_replaced(state, output)
    if output is not None and _aside(Path(output)).exists():
        raise UsageError(
            f"{_aside(Path(output))} is in the way: the old output is set aside under that name.",
            hint="Rename or remove it.",
        )
    StateDirectory.rename(state, aside)
    if output is not None:
        with suppress(FileNotFoundError):
            Path(output).rename(_aside(Path(output)))
    try:
        yield
    finally:
        if StateDirectory.is_made(state):  # the new job has begun
            delete_replaced(state, output)
        else:
            shutil.rmtree(state, ignore_errors=True)
            aside.rename(state)
            if output is not None:
                with suppress(FileNotFoundError):
                    _aside(Path(output)).rename(output)


def delete_replaced(state: Path, output: str | None) -> None:
    """Delete what was set aside, also by a job that was killed."""
    if _aside(state).exists():
        shutil.rmtree(_aside(state), ignore_errors=True)
        if output is not None:
            _aside(Path(output)).unlink(missing_ok=True)


def _aside(path: Path) -> Path:
    return path.with_name(f"{path.name}{_SUFFIX}")
