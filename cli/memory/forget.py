"""`tamias memory forget`: removes what a state directory has of one key, and says what is left."""

from __future__ import annotations

from contextlib import nullcontext
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...agent.errors import StoreLockedError, UsageError
from ...console.values.json_text import given_keys, json_line, key_name, plain
from ...store.at_rest.erasing import Scope
from ...store.at_rest.forgetting import (
    check_unfinished,
    erase_key,
    found_of_key,
    rewrite_marked,
)
from ...store.encoding.keys import decode_key
from ...store.state.directory import StateDirectory
from ...store.state.reader import StoreReader
from ..text import count, error_console, output_console, shown, size, typed, write_line
from .places import (
    OwnerOfRuns,
    check_requests,
    erase_elsewhere,
    found_elsewhere,
    is_known_elsewhere,
    left_over,
    rewrite_requests,
)
from .selection import is_of_task, stored_keys

if TYPE_CHECKING:
    from collections import Counter

    from ...store.at_rest.erasing import Erasure
    from ...store.at_rest.forgetting import Rewritten

_KINDS: Final = {
    "fields": ("field of short-term memory", "fields of short-term memory"),
    "sets": ("memory set", ""),
    "items": ("item of its memory sets", "items of its memory sets"),
    "shared_items": ("item of shared sets", "items of shared sets"),
    "dead_letters": ("dead letter", ""),
    "waiting_runs": ("run that waits", "runs that wait"),
    "waiting_inputs": ("input behind it", "inputs behind it"),
    "timers": ("timer", ""),
    "questions": ("question", ""),
    "journal_records": ("journal record", ""),
    "outputs": ("output that was not delivered", "outputs that were not delivered"),
    "usage": ("sum of used tokens", "sums of used tokens"),
    "submissions": ("submission", ""),
    "log_lines": ("line of the log", "lines of the log"),
    "recorded_runs": ("recorded run", ""),
    "traces": ("run in the event log", "runs in the event log"),
    "errors_in_status": ("text in the last status", "texts in the last status"),
    "kept_outputs": ("output of the program", "outputs of the program"),
    "kept_vectors": ("file of an interrupted reembed", "files of an interrupted reembed"),
}
"""What is counted, for people: one and many."""


_RESTORED: Final = {
    "the Flink job": "memory and sets, which a restore brings back: have the agent delete them, and"
    " let old checkpoints and savepoints go"
}
"""What is left of a key that is forgotten in the directory of a task."""


class KeyForm(str, Enum):
    """How a key is meant that is written on a command line."""

    TEXT = "text"
    JSON = "json"


def forget(
    state: Annotated[Path, typer.Argument(metavar="STATE_DIR", readable=False)],
    *,
    key: Annotated[str, typer.Option(metavar="KEY", help="Whose data: text, or JSON.")],
    form: Annotated[
        KeyForm | None,
        typer.Option("--as", help="What KEY is, if there is a text and a value written so."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--set", metavar="NAME", help="Only its set of this name.")
    ] = None,
    shared: Annotated[
        bool, typer.Option("--shared", help="Only what it has added to shared sets.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing, and say what there is.")
    ] = False,
    drop_unfinished: Annotated[
        bool,
        typer.Option(
            "--drop-unfinished",
            help="Drop what is on record of interrupted runs, also of other keys.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print a report as JSON.")] = False,
) -> int:
    """Remove all that a state directory has of a key; only while no pool runs.

    What is removed is gone from the files, too. What is elsewhere (inputs, outputs, backups) is
    listed. After an interruption, repeat it.
    """
    scope = Scope(
        everything=name is None and not shared,
        own_sets=not shared,
        shared=shared or name is None,
        set_name=name,
    )
    with StoreReader(state) as reader:
        encoded = _key(reader, key, form, scope)
        found = _found(reader, encoded, scope)
        restored = _RESTORED if is_of_task(reader) else {}
        if dry_run:
            elsewhere = found_elsewhere(reader.view, encoded, scope)
            left = left_over(reader.view, found, scope, encoded)
            if found.unknown_runs:
                runs = count(len(found.unknown_runs), "unfinished run")
                left = {"journal": f"{runs} of unknown keys: see --drop-unfinished", **left}
            left = {**restored, **left}
            _report(state, encoded, found.counts + elsewhere, left, None, as_json=as_json)
            return 0
        manifest = reader.view.manifest
    try:
        directory = StateDirectory.open(
            state, manifest.agent, manifest.shards, manifest.durability, manifest.job
        )
    except StoreLockedError as error:
        raise StoreLockedError(
            f"{shown(state)} is in use: a key can be forgotten while no pool runs.",
            hint=f"Stop it (tamias stop {typed(state)}), forget, and start it again: nothing of "
            "other keys is lost. --dry-run says what there is also while it runs.",
        ) from error
    with directory:
        if not drop_unfinished:
            check_unfinished(found, typed(state))
        if scope.everything:
            check_requests(directory, encoded)
        with OwnerOfRuns(directory, encoded) as owner:
            erased = erase_elsewhere(directory, encoded, scope)
            found = erase_key(directory, encoded, scope, owner, drop_unfinished=drop_unfinished)
        console = error_console()
        with console.status("writing files anew") if console.is_terminal else nullcontext():
            rewritten = [*rewrite_marked(directory), *rewrite_requests(directory)]
        left = {**restored, **left_over(directory, found, scope, encoded)}
    _report(state, encoded, found.counts + erased, left, rewritten, as_json=as_json)
    return 0


def _found(reader: StoreReader, key: bytes, scope: Scope) -> Erasure:
    with OwnerOfRuns(reader.view, key) as owner:
        return found_of_key(reader, key, scope, owner)


def _key(reader: StoreReader, text: str, form: KeyForm | None, scope: Scope) -> bytes:
    """The encoded key that is meant.

    Raises:
        UsageError: it can be two, and there is something of both; or it can be none.
    """
    if form is KeyForm.TEXT:
        return reader.encoded(text)
    encoded = stored_keys(reader, text)
    if form is KeyForm.JSON:
        values = given_keys(text)[1:]
        if not values:
            raise UsageError(f"{text!r} is no JSON that can be a key.")
        return reader.encoded(values[0])
    there = [
        each
        for each in encoded
        if _found(reader, each, scope) or is_known_elsewhere(reader.view, each, scope)
    ]
    if len(there) > 1:
        names = " and ".join(key_name(plain(decode_key(each))) for each in there)
        raise UsageError(
            f"{text} can be two keys, and there is something of both: {names}.",
            hint="Say which one: --as text or --as json.",
        )
    return (there or encoded)[0]


def _report(
    state: Path,
    key: bytes,
    counts: Counter[str],
    left: dict[str, str],
    rewritten: list[Rewritten] | None,
    *,
    as_json: bool,
) -> None:
    """Say what was removed (with `rewritten` None: what there is), and what is left where."""
    name = plain(decode_key(key))
    if as_json:
        files = {
            str(each.path): {"before": each.before, "after": each.after} for each in rewritten or ()
        }
        report: dict[str, Any] = {
            "key": name,
            "dry_run": rewritten is None,
            "removed": {kind: counts[kind] for kind in _KINDS if counts[kind]},
            "rewritten": files,
            "left": left,
        }
        write_line(json_line(report))
        return
    console = output_console()
    lines = [count(counts[kind], *words) for kind, words in _KINDS.items() if counts[kind]]
    if rewritten is None:
        verb = "would be removed" if lines else "there is nothing to remove"
    else:
        verb = "removed" if lines else "there was nothing to remove"
    console.print(
        f"{key_name(name)}: {verb}{':' if lines else f' in {shown(state)}'}", markup=False
    )
    for line in lines:
        console.print(f"  {line}", markup=False)
    for each in rewritten or ():
        console.print(
            f"  {shown(each.path)} was written anew, so that the bytes are gone: "
            f"{size(each.before)}, now {size(each.after)}",
            markup=False,
        )
    errors = error_console()
    errors.print("Not in the state directory, or of no known key, and so not removed:")
    for where, what in left.items():
        errors.print(f"  {where}: {what}", markup=False)
