"""What waits for one key: its suspended run, what is on record of it, its timers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...agent.errors import TamiasError
from ...store.encoding.keys import encode_key, shard_of
from ...store.records.offsets import RunKind, identity_of, kind_of, offset_of
from ...store.state.waiting import waiting_in
from ...store.waiting.records import NEVER
from ...worker.runs.history import described_entries
from ..text import date_of, printable

if TYPE_CHECKING:
    from ...console.values.agent_code import AgentCode
    from ...store.shard.snapshot import Snapshot
    from ...store.state.reader import StoreReader
    from ...store.state.waiting import WaitingRun


def what_waits(reader: StoreReader, key: Any, code: AgentCode) -> dict[str, Any]:
    """What waits for a key, as a JSON object; empty if nothing does.

    Raises:
        InputError: the value cannot be a key.
    """
    encoded = encode_key(key)
    number = shard_of(encoded, reader.view.manifest.shards)
    with reader.shard(number) as snapshot:
        if snapshot is None or not snapshot.waiting.counts():
            return {}
        found = waiting_in(reader, number, snapshot)
        waits: dict[str, Any] = {}
        runs = list(found.runs(encoded))
        waits["runs"] = [_run(run, snapshot) for run in runs]
        waits["behind"] = found.queue_length(encoded) - sum(bool(run.run.ticket) for run in runs)
        waits["questions"] = [
            {
                "name": record.name,
                "token": token,
                "ask": code.stored(record.ask),
                "asked_at": record.asked_at,
                "deadline": record.deadline,
            }
            for token, record in found.questions()
            if record.key == encoded
        ]
        waits["timers"] = [
            {"id": run.id, "of": run.origin, "due": run.due, "every": run.every or None}
            for _, run in found.timers(encoded)
        ]
        return waits if any(waits.values()) else {}


def as_tree(waits: dict[str, Any]) -> dict[str, Any]:
    """The same for people: named objects in place of lists, moments as dates."""
    tree: dict[str, Any] = {}
    for run in waits["runs"]:
        name = f"input {run['of']}" if isinstance(run["of"], int) else str(run["of"])
        tree[f"run of {name}"] = {"until": _AN_ANSWER, **_dated(run, "until")}
    if waits["behind"]:
        tree["behind it"] = waits["behind"]
    for question in waits["questions"]:
        tree[f"question {printable(question['name'])} {question['token']}"] = _dated(
            question, "asked_at", "deadline"
        )
    for timer in waits["timers"]:
        name = printable(timer["id"] or f"of input {timer['of']}")
        tree[f"timer {name}"] = _dated(timer, "due")
    return tree


def _dated(fields: dict[str, Any], *moments: str) -> dict[str, Any]:
    shown = {name: value for name, value in fields.items() if name not in _IN_NAME and value}
    for name in moments:
        if isinstance(fields[name], float):
            shown[name] = date_of(fields[name])
    return shown


_IN_NAME = ("of", "name", "token", "id")
_AN_ANSWER = "an answer comes"


def _source(number: int) -> int | str:
    kind = kind_of(number)
    return offset_of(number) if kind == RunKind.INPUT else RunKind(kind).name.lower()


def _run(waiting_run: WaitingRun, snapshot: Snapshot) -> dict[str, Any]:
    run = waiting_run.run
    try:
        recorded = described_entries(snapshot.journal_of(identity_of(waiting_run.number)))
    except TamiasError as error:  # recorded by another version
        recorded = [f"<not readable here: {error.message}>"]
    return {
        "of": _source(waiting_run.number),
        "until": None if run.due == NEVER else run.due,
        "answered": waiting_run.woken,
        "attempts": run.attempts,
        "errors": [error.error for error in run.errors],
        "recorded": recorded,
    }
