"""The paths of a job's input, output and state.

A job needs a state directory. If it writes to a file, the directory is beside the file, so that
repeating the command finds it. If it writes to standard output, the directory is temporary, and is
deleted unless the job can be resumed or has dead letters.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from ..agent.errors import UsageError
from ..store.standard_streams import can_read_input, can_write_output
from ..store.state.scratch import make_scratch
from .text import shown

if TYPE_CHECKING:
    from typing_extensions import Self

SUFFIX = ".tamias"


def absolute(path: str) -> str:
    """Return the absolute path; `-` for standard input and output stays."""
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


def check_streams(source: str, output: str) -> None:
    """Raise UsageError if the job would use a standard stream that is closed."""
    if source == "-" and not can_read_input():
        raise UsageError(
            "Standard input is closed, and is the input.", hint="Name a file with --input."
        )
    if output == "-" and not can_write_output():
        raise UsageError(
            "Standard output is closed, and is the output.", hint="Name a file with --output."
        )


class StatePlace:
    """The state directory of a job; deleted in the end if temporary, unless `keep` was called."""

    def __init__(self, state: str | None, output: str, durability: str = "process") -> None:
        """`state` is what the user has named, or None; `output` is the result of `absolute`."""
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
        """Whether it is a temporary directory."""
        return self.scratch is not None

    @property
    def is_kept(self) -> bool:
        """Whether it exists and will not be deleted."""
        return self._kept and self.path.exists()

    def keep(self) -> None:
        """Do not delete it: the job can be resumed, or has dead letters."""
        self._kept = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.scratch is not None and not self._kept:
            shutil.rmtree(self.scratch, ignore_errors=True)
