"""Where a job's input, output and state are.

A job needs a state directory. One that writes a file has it beside the file, so that repeating the
command finds it; one that writes to standard output has a temporary one, which is deleted unless
there is something in it to come back to.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..agent.errors import UsageError
from ..store.state.scratch import make_scratch
from .text import shown

if TYPE_CHECKING:
    from typing_extensions import Self

SUFFIX = ".tamias"


def place(path: str) -> str:
    """A path that means the same from anywhere; standard input and output stay `-`."""
    return path if path == "-" else str(Path(path).absolute())


def check_output(source: str, output: str) -> None:
    """Raise UsageError if the output is the input, or in a directory that does not exist."""
    if output == "-":
        return
    folder = Path(output).parent
    if not folder.is_dir():
        raise UsageError(
            f"There is no directory {shown(folder)} for the output.",
            hint="Create it, or name another output.",
        )
    if source == "-":
        return
    if source == output or (
        Path(output).exists() and Path(source).exists() and Path(output).samefile(source)
    ):
        raise UsageError(
            f"The output {shown(output)} is the input.", hint="Name another file to write to."
        )


class StatePlace:
    """Where a job's state is; deletes a temporary one in the end, unless `keep` was called."""

    def __init__(self, state: str | None, output: str, durability: str = "process") -> None:
        """`state` was asked for, if it is not None; `output` is as `place` made it."""
        self.scratch: Path | None = None
        if state:
            self.path = Path(state).absolute()
        elif output != "-" and (not Path(output).exists() or Path(output).is_file()):
            self.path = Path(output + SUFFIX)
        else:
            self.scratch = make_scratch(durability)
            self.path = self.scratch / "state"
        self._kept = self.scratch is None

    @property
    def is_temporary(self) -> bool:
        """Whether the user has not named this place."""
        return self.scratch is not None

    @property
    def is_kept(self) -> bool:
        """Whether it will be there afterwards."""
        return self._kept and self.path.exists()

    def keep(self) -> None:
        """There is something in it to come back to."""
        self._kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.scratch is not None and not self._kept:
            shutil.rmtree(self.scratch, ignore_errors=True)
