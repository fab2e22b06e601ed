"""`tamias doctor`: checks that tamias works here, or that a state directory is sound."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ...agent.errors import UsageError
from ...console.values.json_text import json_line
from .. import checks
from ..text import error_console, output_console, write_line
from ..views.fitting import FittingLine

_STYLES = {"ok": "green", "note": "yellow", "bad": "bold red"}


def doctor(
    state: Annotated[
        Path | None, typer.Argument(metavar="[STATE_DIR]", readable=False, show_default=False)
    ] = None,
    *,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read all of the state directory, and check each record.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines.")] = False,
) -> int:
    """Check this machine from end to end, or, given one, a state directory.

    The exit code is 1 if something is bad.
    """
    if deep and state is None:
        raise UsageError(
            "--deep reads a state directory.", hint="Name one: doctor --deep STATE_DIR."
        )
    console = output_console()
    findings = (
        chain(checks.machine(), checks.kernel(), checks.pool())
        if state is None
        else chain(checks.state(state), checks.deep(state) if deep else ())
    )
    bad = 0
    for finding in findings:
        bad += finding.verdict == "bad"
        if as_json:
            write_line(json_line(finding._asdict()))
            continue
        row = Table.grid(padding=(0, 1, 0, 0))
        row.add_column(width=4)
        row.add_column(width=12)
        row.add_column()
        text = FittingLine(map(Text, finding.text.split(", ")))
        row.add_row(Text(finding.verdict, _STYLES[finding.verdict]), Text(finding.name), text)
        console.print(row, soft_wrap=False)
    if not as_json:
        summary = (
            f"{bad} of these {'is' if bad == 1 else 'are'} bad."
            if bad
            else "Everything is in order."
        )
        error_console().print(summary, style="bold red" if bad else "green")
    return 1 if bad else 0
