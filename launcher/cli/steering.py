"""`tamias scale`, `drain`, `stop` and `reload`: what a running pool can be told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ...agent.configuration import parse_assignments
from ..remote import ask
from .words import error_console, put

State = Annotated[Path, typer.Argument(metavar="STATE_DIR")]
Json = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def scale(
    state: State,
    workers: Annotated[int, typer.Argument(metavar="N", help="How many workers to have.")],
    *,
    as_json: Json = False,
) -> int:
    """Have more or fewer workers from now on; nothing is interrupted."""
    answer = ask(state, "scale", {"workers": workers})
    pause = answer["longest_pause"] * 1000
    moved = f"{answer['moves']} shards moved, {pause:.0f} ms at most"
    _say(answer, f"{workers} workers; {moved}", as_json=as_json)
    return 0


def drain(state: State, *, as_json: Json = False) -> int:
    """Read no more inputs, finish those that have been read, and end. Resumable."""
    _say(ask(state, "drain", {}), "drained, and ended", as_json=as_json)
    return 0


def stop(state: State, *, as_json: Json = False) -> int:
    """Finish what is in flight, and end. Resumable."""
    _say(ask(state, "stop", {}), "stopped", as_json=as_json)
    return 0


def reload(
    state: State,
    *,
    target: Annotated[
        str | None, typer.Option(metavar="TARGET", help="The same agent from another place.")
    ] = None,
    smoke: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Inputs that new code must get through first."),
    ] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A new setting.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Go over to the code that is on disk now, to new settings or packages; rolled back if bad."""
    arguments: dict[str, Any] = {"settings": parse_assignments(assignments or ())}
    if target is not None:
        arguments["target"] = target
    if smoke is not None:
        arguments["smoke"] = str(smoke.absolute())
    answer = ask(state, "reload", arguments)
    if answer["outcome"] == "applied":
        text = f"applied to generation {answer['generation']}"
    else:
        pause = answer["longest_pause"] * 1000
        text = (
            f"generation {answer['generation']} has taken over: {answer['moves']} shards moved,"
            f" {pause:.0f} ms at most, in {answer['seconds']:.1f} s"
        )
    _say(answer, text, as_json=as_json)
    return 0


def _say(answer: dict[str, Any], text: str, *, as_json: bool) -> None:
    if as_json:
        put(json.dumps(answer))
    else:
        error_console().print(text, markup=False)
