"""`tamias scale`, `drain` and `stop`: commands to a running pool."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ...launcher.control.client import send_request
from ..text import error_console, write_line

State = Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def scale(
    state: State,
    workers: Annotated[int, typer.Argument(metavar="N", help="How many workers to have.")],
    *,
    as_json: Json = False,
) -> int:
    """Have more or fewer workers from now on; nothing is interrupted."""
    answer = send_request(state, "scale", {"workers": workers})
    pause = answer["longest_pause"] * 1000
    moved = f"{answer['moves']} shards moved, {pause:.0f} ms at most"
    print_answer(answer, f"{workers} workers; {moved}", as_json=as_json)
    return 0


def drain(state: State, *, as_json: Json = False) -> int:
    """Read no more inputs, finish those that have been read, and end. Resumable."""
    print_answer(send_request(state, "drain", {}), "drained, and ended", as_json=as_json)
    return 0


def stop(state: State, *, as_json: Json = False) -> int:
    """Finish what is in flight, and end. Resumable."""
    print_answer(send_request(state, "stop", {}), "stopped", as_json=as_json)
    return 0


def print_answer(answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    """Print an answer as text on stderr, or as JSON on stdout."""
    if as_json:
        write_line(json.dumps(answer))
        sys.stdout.flush()
    else:
        error_console().print(text, markup=False)
