"""`run --profile FILE`: a profile of a whole job, written at its end."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from ...agent.config.profile_options import ProfileOptions
from ...agent.errors import UsageError
from ...console.profiles.batch import BatchProfile
from ...console.profiles.writing import as_format, format_of
from ...store.state.layout import StateLayout
from ..text import count, error_console, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ...agent.config.configuration import Configuration

__all__ = ["check_folder", "check_profile", "profiled"]


def check_profile(output: Path | None, config: Configuration) -> None:
    """Raise UsageError if no profile could be written at the end."""
    if output is None:
        return
    format_of(None, output)
    check_folder(output)
    if not config.get(ProfileOptions.RATE):
        raise UsageError(
            "With profile-rate 0, workers record nothing.", hint="Leave out that option."
        )


def check_folder(output: Path) -> None:
    """Raise UsageError if a profile cannot be written there, before time is spent on it."""
    if not output.absolute().parent.is_dir():
        raise UsageError(
            f"There is no directory {shown(output.absolute().parent)} for the profile.",
            hint="Create it, or name another file.",
        )


def profiled(state: Path, output: Path | None) -> AbstractContextManager[None]:
    """A block in which the workers of a job are profiled, if that is wanted."""
    return nullcontext() if output is None else _profiled(state, output)


@contextmanager
def _profiled(state: Path, output: Path) -> Iterator[None]:
    batch = BatchProfile(StateLayout(state).profiles)
    try:
        with batch:
            yield
    finally:
        _write(batch, output)


def _write(batch: BatchProfile, output: Path) -> None:
    console = error_console()
    if not batch.count:
        console.print("no profile was written: the workers have recorded nothing", markup=False)
        return
    title = (
        f"wall profile of the whole job, {count(len(batch.workers), 'worker')},"
        f" {batch.seconds:.0f} s, {batch.count:,} samples"
    )
    text = as_format(format_of(None, output), batch.wall, title)
    try:
        output.write_text(text)
    except OSError as error:
        console.print(f"the profile cannot be written: {error.strerror}", markup=False)
    else:
        console.print(f"  profile: {shown(output)}", markup=False, highlight=False)
