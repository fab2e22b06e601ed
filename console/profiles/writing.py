"""A profile in the format that is asked for, by its name or by the ending of a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal

from ...agent.errors import UsageError
from .flame_graph import as_page
from .formats import as_chrome, as_collapsed, as_speedscope
from .table import as_table

if TYPE_CHECKING:
    from pathlib import Path

    from ...worker.profiling.profile import Profile

__all__ = ["FORMATS", "as_format", "format_of"]

FORMATS: Final = ("text", "speedscope", "html", "collapsed", "chrome", "json")
_ENDINGS: Final = {
    ".html": "html",
    ".txt": "collapsed",
    ".folded": "collapsed",
    ".collapsed": "collapsed",
    ".cpuprofile": "chrome",
    ".json": "speedscope",
    "": "speedscope",
}


def format_of(form: str | None, output: Path | None) -> str:
    """The format that is named, or that the ending of the output says. Raises UsageError."""
    if form is None:
        if output is None:
            return "text"
        found = _ENDINGS.get(output.suffix.lower())
        if found is None:
            raise UsageError(
                f"The ending of {output} says no format of a profile.",
                hint=f"One of {', '.join(filter(None, _ENDINGS))}.",
            )
        return found
    if form not in FORMATS:
        raise UsageError(f"--format {form} is unknown.", hint=f"Known: {', '.join(FORMATS)}.")
    return form


def as_format(
    form: str,
    found: Profile,
    title: str,
    before: Profile | None = None,
    unit: Literal["s", "B"] = "s",
) -> str:
    """A profile of seconds or bytes in one of `FORMATS`. Raises UsageError."""
    if form == "html":
        return as_page(found, title, before, unit)
    if form == "json":
        return json.dumps({"title": title, "unit": unit, **found.to_json()}) + "\n"
    if form == "collapsed":
        return as_collapsed(found, unit)
    if form == "speedscope":
        return as_speedscope(found, title, unit) + "\n"
    if form == "chrome":
        if unit != "s":
            raise UsageError("A .cpuprofile has times, no sizes.", hint="Try --format speedscope.")
        return as_chrome(found) + "\n"
    return as_table(found, title, before, unit)
