"""`tamias trace`: shows what runs have done, as far as the event log has them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated, Final

import typer

from ...agent.config.values import parse_duration
from ...agent.errors import UsageError
from ...console.exporting.states import job_states
from ...console.otlp.json_spans import as_otlp_json
from ...console.traces.reading import runs_in
from ...console.traces.text import as_text
from ...console.values.json_text import json_line
from ...store.state.directory import StateDirectory
from ..text import at_most, error_console, write_line

_FORMATS: Final = ("text", "json", "otlp")


def trace(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Only runs of this key.")
    ] = None,
    offset: Annotated[
        int | None, typer.Option("--offset", metavar="N", help="Only runs of this input.")
    ] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only what has failed.")] = False,
    last: Annotated[
        str | None, typer.Option("--last", metavar="T", help="Only what ended in the last T.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="So many at most; 0 for all.")
    ] = 20,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help=", ".join(_FORMATS))
    ] = "text",
) -> int:
    """Show what runs have done, the newest first: actions, calls, events, errors.

    The event log has runs that failed or were slow; of the others it has
    those of the keys in event-log.keys, and one in event-log.sample.
    """
    if form not in _FORMATS:
        raise UsageError(f"--format {form} is not known.", hint=f"One of {', '.join(_FORMATS)}.")
    seconds = None if last is None else _seconds(last)
    with StateDirectory.view(state) as view:
        runs = runs_in(view.path, key=key, offset=offset, failed=failed, last=seconds)
        shown = 0
        for run in islice(runs, at_most(limit) or None):
            if form == "text":
                if shown:
                    write_line("")
                for line in as_text(run):
                    write_line(line)
            elif form == "otlp":
                write_line(json_line(as_otlp_json(run, job_states([state])[0].agent)))
            else:
                write_line(json_line(run.to_json()))
            shown += 1
    if not shown:
        console = error_console()
        console.print("No such run is in the event log.", markup=False)
    return 0


def _seconds(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"--last {text} is no duration: {error}.") from None
