"""Runs from the event log of a state directory, whether a pool uses it or not.

The log has two files for each slot (`worker.tracing.writing`). The records of a run are together:
the first one begins an execution of the entity type "run", and the last one ends it. What a worker
that died has left without an end, or cut, is passed over.
"""

from __future__ import annotations

import heapq
import json
import time
from base64 import b64decode
from binascii import Error as Base64Error
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from ...store.state.layout import StateLayout
from ...worker.tracing.writing import older
from .lines import lines_backwards
from .steps import TracedRun, TracedStep

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["find_run", "log_files", "runs_in"]

Record = dict[str, Any]

_STARTED: Final = "_execution_started_event"
_LIFECYCLE: Final = frozenset(
    {
        _STARTED,
        "_execution_finished_event",
        "_execution_failed_event",
        "_execution_reused_event",
    }
)
_IS_OF_RUN: Final = b'"entityType":"run"'


def runs_in(
    state: Path,
    *,
    key: str | bytes | None = None,
    offset: int | None = None,
    failed: bool = False,
    last: float | None = None,
) -> Iterator[TracedRun]:
    """Yield the runs in the log of a state directory, the one that ended last first.

    Args:
        state: the state directory.
        key: only of this key: as text (see `TracedRun.key`), or encoded.
        offset: only of this input.
        failed: only attempts that have failed.
        last: only those that ended within so many seconds.
    """
    since = 0.0 if last is None else time.time() - last

    def is_wanted(run: TracedRun) -> bool:
        return (
            (key is None or key == (run.encoded_key if isinstance(key, bytes) else run.key))
            and (offset is None or run.offset == offset)
            and (not failed or run.status == "failed")
        )

    def of_slot(newest: Path) -> Iterator[TracedRun]:
        for path in (newest, older(newest)):
            for run in _runs(path):
                if run.began + run.seconds < since:
                    return
                if is_wanted(run):
                    yield run

    slots = [of_slot(path) for path in log_files(state)]
    yield from heapq.merge(*slots, key=lambda run: run.began + run.seconds, reverse=True)


def find_run(state: Path, run_id: str) -> TracedRun | None:
    """The run with these records (`TracedRun.id`); None if there is none."""
    return next((run for run in runs_in(state) if run.id == run_id), None)


def log_files(state: Path) -> list[Path]:
    """The newer file of each slot; the older one may be there alone."""
    folder = StateLayout(state).events
    found = set()
    for path in folder.glob("events-*.log"):
        slot = path.name[len("events-") : -len(".log")].removesuffix(".1")
        found.add(folder / f"events-{slot}.log")
    return sorted(found)


def _runs(path: Path) -> Iterator[TracedRun]:
    """The runs in a file, the last one first."""
    records: list[Record] = []
    for line in lines_backwards(path):
        record = _record(line)
        if record is None:
            continue
        if _IS_OF_RUN not in line or record.get("entityType") != "run":
            if records:
                records.append(record)
            continue
        if record.get("eventType") != _STARTED:
            records = [record]
        elif records and records[0].get("executionId") == record.get("executionId"):
            run = _run(record, records[0], records[:0:-1])
            records = []
            if run is not None:
                yield run
        else:
            records = []


def _record(line: bytes) -> Record | None:
    if not line:
        return None
    try:
        found = orjson.loads(line)
    except ValueError:
        try:
            found = json.loads(line)  # as it is written where orjson cannot
        except (ValueError, RecursionError):
            return None
    return found if isinstance(found, dict) else None


def _run(first: Record, end: Record, between: list[Record]) -> TracedRun | None:
    """The run of these records; None if one of them is none of ours."""
    try:
        known = first["entityMetadata"]
        attributes = dict(end["eventAttributes"])
        status = attributes.pop("outcome")
        cause, seconds = attributes.pop("cause"), attributes.pop("seconds")
        return TracedRun(
            id=first["executionId"].rpartition("-")[0],
            run_id=first["inputRunId"],
            agent=first["agentName"],
            offset=known["offset"],
            retry=known["retry"],
            attempt=known["attempt"],
            key=first["businessKey"],
            encoded_key=b64decode(known["encodedKey"]),
            worker=known["worker"],
            generation=known["generation"],
            description=known.get("run", ""),
            began=_moment(first),
            seconds=seconds,
            status=status,
            error=_error(attributes),
            cause=cause,
            attributes=attributes,
            roots=_Tree(first["executionId"]).of(between),
        )
    except (KeyError, TypeError, ValueError, AttributeError, Base64Error):
        return None


def _moment(record: Record) -> float:
    return datetime.fromisoformat(record["timestamp"].replace("Z", "+00:00")).timestamp()


def _error(attributes: dict[str, Any]) -> str | None:
    """The error in the attributes of a record, which are taken away from it."""
    kind = attributes.pop("errorType", "")
    message = attributes.pop("errorMessage", "")
    if isinstance(message, dict):
        message = message.get("truncatedString", "")
    kind = str(kind).removeprefix("builtins.")
    return ": ".join(filter(None, (kind, str(message)))) or None


class _Tree:
    """Makes a tree of what a run has done."""

    def __init__(self, run: str) -> None:
        self._run = run
        self._roots: list[TracedStep] = []
        self._events: dict[str, TracedStep] = {}
        self._executions: dict[str, TracedStep] = {}

    def of(self, records: list[Record]) -> list[TracedStep]:
        """The roots: what nothing in the run has caused."""
        for record in records:
            if record["eventType"] in _LIFECYCLE and "executionId" in record:
                self._add_execution(record)
            else:
                self._add_event(record)
        return self._roots

    def _add_event(self, record: Record) -> None:
        step = TracedStep(
            "event",
            record["eventType"],
            "success",
            _moment(record),
            attributes=record["eventAttributes"],
            id=record["eventId"],
        )
        parent = self._executions.get(record.get("executionId", ""))
        if parent is None:
            parent = self._events.get(record.get("upstreamEventId", ""))
        (self._roots if parent is None else parent.children).append(step)
        self._events[step.id] = step

    def _add_execution(self, record: Record) -> None:
        identity = record["executionId"]
        step = self._executions.get(identity)
        if step is None:
            step = TracedStep(
                record["entityType"],
                record["entityName"],
                "unfinished",
                _moment(record),
                attributes=dict(record.get("entityMetadata", {})),
                id=identity,
            )
            self._executions[identity] = step
            parent = self._executions.get(record.get("parentExecutionId", ""))
            if parent is None:
                parent = self._events.get(record.get("upstreamEventId", ""))
            (self._roots if parent is None else parent.children).append(step)
        if record["eventType"] == _STARTED:
            return
        step.status = record["status"]
        step.seconds = round(_moment(record) - step.began, 6)
        attributes = dict(record["eventAttributes"])
        step.error = _error(attributes)
        step.attributes.update(attributes)
