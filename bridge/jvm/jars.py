"""Finds the jars in Python packages, without importing the packages."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...agent.errors import MissingExtraError


def flink_home() -> Path:
    """The folder of PyFlink, which is a Flink distribution.

    Raises:
        MissingExtraError: PyFlink is not installed.
    """
    spec = find_spec("pyflink")
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(
            "PyFlink is not installed.", hint="Install it with: pip install 'tamias[flink]'"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def flink_jar(name: str) -> Path:
    """One of Flink's jars, by the name without its version: ``flink-dist``.

    Raises:
        MissingExtraError: PyFlink is not installed, or has no such jar.
    """
    home = flink_home()
    for folder in ("lib", "opt"):
        for path in sorted((home / folder).glob(f"{name}-[0-9]*.jar")):
            return path
    raise MissingExtraError(
        f"The PyFlink in {home} has no {name} jar.",
        hint="Install it anew: pip install --force-reinstall 'tamias[flink]'",
    )
