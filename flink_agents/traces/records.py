"""Reads what an event log has of events: of files that tamias or Flink Agents has written.

The format is flat since 0.4; before, an event is an object inside its record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

__all__ = ["LIFECYCLE", "Observation", "Warnings", "log_files", "objects_in", "observations"]

LIFECYCLE: Final = {
    "_execution_started_event": "started",
    "_execution_finished_event": "success",
    "_execution_failed_event": "failed",
    "_execution_reused_event": "reused",
}
"""Types of records that say how an execution goes, with the status that each has."""

_Warning = dict[str, Any]
_EXECUTION: Final = ("executionId", "entityType", "entityName")


class Warnings(list[_Warning]):
    """What is wrong with a log, as objects that programs read."""

    def add(self, code: str, message: str, **details: Any) -> None:
        """Add one, without the details that are None."""
        known = {
            name: str(value) if isinstance(value, Path) else value
            for name, value in details.items()
        }
        event = known.pop("eventId", None)
        first = {"code": code} if event is None else {"code": code, "eventId": event}
        rest = {name: value for name, value in known.items() if value is not None}
        self.append({**first, "message": message, **rest})


class Observation(NamedTuple):
    """One time that an event was written down.

    Attributes:
        event: its id.
        kind: its type.
        attributes: its contents.
        parent: the id of the event for which it was sent.
        action: the one that has sent it.
        timestamp: when, as it is in the log.
    """

    event: str
    kind: str
    attributes: dict[str, Any]
    parent: str | None
    action: str | None
    timestamp: Any


def log_files(path: Path) -> list[Path]:
    """A file itself, or the event logs in a folder, by their names."""
    return [path] if path.is_file() else sorted(filter(Path.exists, path.glob("events-*.log")))


def objects_in(path: Path, warnings: Warnings) -> Iterator[Any]:
    """Yield the JSON values of a file, whether they are in one line each or in several.

    After one that is cut or damaged, go on with the next line that begins an object.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        warnings.add("UNREADABLE_FILE", f"Could not read Event Log file {path}.", filePath=path)
        return
    decoder = json.JSONDecoder()
    at = _past_space(text, 0)
    while at < len(text):
        try:
            found, end = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            warnings.add(
                "MALFORMED_RECORD",
                f"Could not decode an Event Log record in {path} at line {error.lineno}, "
                f"column {error.colno}: {error.msg}.",
                filePath=path,
                lineNumber=error.lineno,
                columnNumber=error.colno,
            )
            following = text.find("\n{", max(at + 1, error.pos))
            at = len(text) if following < 0 else following + 1
        else:
            yield found
            at = _past_space(text, end)


def observations(path: Path, warnings: Warnings) -> Iterator[Observation]:
    """Yield the events of a log; records of executions are left out.

    Raises:
        FileNotFoundError: there is no log.
    """
    files = log_files(path)
    if not files:
        msg = f"There is no event log at {path}."
        raise FileNotFoundError(msg)
    for file in files:
        for record in objects_in(file, warnings):
            try:
                found = _observation(record)
            except _UnusableError as error:
                warnings.add(
                    "MALFORMED_RECORD",
                    f"Invalid Event Log record in {file}: {error}.",
                    eventId=error.event,
                    filePath=file,
                )
                continue
            if found.kind in LIFECYCLE:
                if _is_execution(record):
                    continue
                warnings.add(
                    "RESERVED_EVENT_TYPE",
                    f"The event {found.event} has the type {found.kind}, which records of "
                    "executions have, but not their fields: it is taken as an event of an agent.",
                    eventId=found.event,
                    filePath=file,
                )
            yield found


class _UnusableError(Exception):
    """A record of another shape."""

    def __init__(self, what: str, event: str | None = None) -> None:
        super().__init__(what)
        self.event = event


def _observation(record: Any) -> Observation:
    if not isinstance(record, dict):
        msg = "it is no object"
        raise _UnusableError(msg)
    is_flat = "eventId" in record or "eventAttributes" in record
    event = record if is_flat else record.get("event")
    if not isinstance(event, dict):
        msg = "'event' is no object"
        raise _UnusableError(msg)
    id_field, attributes_field = ("eventId", "eventAttributes") if is_flat else ("id", "attributes")
    identity, kind = event.get(id_field), record.get("eventType")
    if not isinstance(identity, str) or not identity:
        raise _UnusableError(f"{id_field!r} is no text, or empty")
    if not isinstance(kind, str) or not kind:
        msg = "'eventType' is no text, or empty"
        raise _UnusableError(msg, identity)
    attributes = event.get(attributes_field)
    if not isinstance(attributes, dict):
        raise _UnusableError(f"{attributes_field!r} is no object", identity)
    parent, action = event.get("upstreamEventId"), event.get("upstreamActionName")
    if not all(each is None or isinstance(each, str) for each in (parent, action)):
        msg = "'upstreamEventId' and 'upstreamActionName' are texts, or are not there"
        raise _UnusableError(msg, identity)
    return Observation(identity, kind, attributes, parent, action, record.get("timestamp"))


def _is_execution(record: dict[str, Any]) -> bool:
    if record.get("status") != LIFECYCLE[record["eventType"]]:
        return False
    return all(isinstance(record.get(field), str) and record[field] for field in _EXECUTION)


def _past_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at
