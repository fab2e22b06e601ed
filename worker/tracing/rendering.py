"""Records of the event log, in the flat format of Flink Agents.

A record is a JSON object on a line. Its fields, in this order, as far as they apply: timestamp,
logLevel, inputRunId, businessKey, agentName, executionId, parentExecutionId, entityType,
entityName, entityMetadata, eventId, eventType, upstreamEventId, upstreamActionName, status,
problemCategory, eventAttributes.

An attempt at a run is an execution of its own, with the entity type "run": its first record begins
it, its last one ends it, and between them are those of what it has done. Flink Agents has no such
executions; its tools pass over types that they do not know.
"""

from __future__ import annotations

import json
import os
import time
from base64 import b64encode
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from pydantic_core import to_jsonable_python

from ...agent.config.observing.event_log_options import EventLogLevel
from ...agent.errors import TamiasError
from ...agent.events.identity import event_id
from ...agent.failures.error_text import cause_of, message_of
from ...agent.tracing.executions import LLM, PARSER, TOOL
from ...store.encoding.json_text import dumps_json, key_to_json
from ...store.records.offsets import offset_of, retries_of
from .run_trace import ATTEMPT, EVENT, FINISH, INPUT, OUTPUT, START

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...agent.event import Event
    from .run_trace import AnyOrigin, Entry, RunTrace
    from .settings import EventLogSettings

__all__ = ["Ending", "Renderer", "json_text", "key_text"]

STARTED: Final = "_execution_started_event"
FINISHED: Final = "_execution_finished_event"
FAILED: Final = "_execution_failed_event"
REUSED: Final = "_execution_reused_event"

_TYPES: Final = {"success": FINISHED, "failed": FAILED, "reused": REUSED}
_PROBLEMS: Final = {
    LLM: "model_call_failed",
    PARSER: "model_output_parse_error",
    TOOL: "tool_call_failed",
}
_LONGEST_PAYLOAD: Final = 1000
"""Bytes of a payload that cannot be decoded."""
_OTHER_PROBLEM: Final = "action_execution_failed"


class Ending(NamedTuple):
    """How an attempt at a run has ended.

    Attributes:
        at: in seconds of the monotonic clock.
        cause: why it is written.
        status: "success", "failed" or "suspended".
        error: of a failed one.
        attributes: what is known besides.
    """

    at: float
    cause: str
    status: str
    error: BaseException | str | None = None
    attributes: Mapping[str, Any] | None = None


class Renderer:
    """Makes records of what runs have done, for one worker."""

    def __init__(
        self,
        settings: EventLogSettings,
        agent: str,
        worker: Mapping[str, Any],
        decode: Callable[[bytes], Any],
    ) -> None:
        """`worker` is what is said of the worker in each run; `decode` is that of inputs."""
        self.settings = settings
        self.agent = agent
        self.worker = worker
        self.decode = decode

    def lines(self, trace: RunTrace, ending: Ending) -> bytes:
        """The records of a run, a line each."""
        return _RunRecords(self, trace).lines(ending)


class _RunRecords:
    """The records of one run."""

    def __init__(self, of: Renderer, trace: RunTrace) -> None:
        self._settings = of.settings
        self._worker = of.worker
        self._decode = of.decode
        self._trace = trace
        self._token = os.urandom(8).hex()
        self._wall = time.time() - time.monotonic()
        """What is added to moments to have seconds since the epoch."""
        self._lines: list[bytes] = []
        self._open: dict[int, tuple[dict[str, Any], str]] = {}
        """Of executions under way, the fields that their records share, and the entity type."""
        self._scope = {
            "inputRunId": str(event_id((trace.key, trace.number, 0, 0))),
            "businessKey": key_text(trace.key),
            "agentName": of.agent,
        }

    def lines(self, ending: Ending) -> bytes:
        trace = self._trace
        metadata = {
            "offset": offset_of(trace.number),
            "retry": retries_of(trace.number),
            "attempt": trace.attempt,
            **self._worker,
            "encodedKey": b64encode(trace.key).decode(),
        }
        if trace.description:
            metadata["run"] = trace.description
        self._start(trace.began, 0, -1, "run", self._scope["agentName"], metadata, "")
        for entry in trace.entries:
            self._add(entry)
        attributes: dict[str, Any] = {
            "cause": ending.cause,
            "outcome": ending.status,
            "seconds": round(ending.at - trace.began, 6),
            "outputs": trace.outputs,
            **(ending.attributes or {}),
        }
        if trace.lost:
            attributes["omittedRecords"] = trace.lost
        status = "failed" if ending.status == "failed" else "success"
        self._finish(ending.at, 0, status, ending.error, attributes)
        return b"".join(self._lines)

    def _add(self, entry: Entry) -> None:
        kind, at = entry[:2]
        if kind == EVENT:
            event, origin, handled, action, execution = entry[2:]
            self._event(
                at, _type_of(event), _attributes_of(event), origin, handled, action, execution
            )
        elif kind == INPUT:
            origin = (self._trace.key, self._trace.number, 0, 0)
            contents = {"input": self._input(entry[2])}
            self._event(at, "_input_event", contents, origin, None, "", 0)
        elif kind == OUTPUT:
            output, origin, handled, action, execution = entry[2:]
            contents = {"output": _decoded(output)}
            self._event(at, "_output_event", contents, origin, handled, action, execution)
        elif kind == START:
            number, parent, entity, name, metadata, handled = entry[2:]
            self._start(at, number, parent, entity, name, metadata, _id_of(handled))
        elif kind == FINISH:
            number, status, error, attributes = entry[2:]
            self._finish(at, number, status, error, attributes or {})
        else:
            assert kind == ATTEMPT  # noqa: S101 (there are no others)

    def _input(self, payload: bytes) -> Any:
        try:
            return _plain(self._decode(payload))
        except BaseException as error:  # noqa: BLE001 (unpickling runs code of the user's)
            text = payload[:_LONGEST_PAYLOAD].decode(errors="backslashreplace")
            return {"unreadable": type(error).__name__, "payload": text}

    def _event(  # noqa: PLR0917 (the parts of an entry)
        self,
        at: float,
        event_type: str,
        contents: dict[str, Any],
        origin: AnyOrigin | None,
        handled: AnyOrigin | None,
        action: str,
        execution: int,
    ) -> None:
        level = self._settings.level_of(event_type)
        if level is EventLogLevel.OFF:
            return
        shared: dict[str, Any] = dict(self._scope)
        if execution:
            shared["executionId"] = self._execution(execution)
            shared["entityType"] = "action"
            shared["entityName"] = action
        shared["eventId"] = _id_of(origin)
        shared["eventType"] = event_type
        if handled is not None:
            shared["upstreamEventId"] = _id_of(handled)
            shared["upstreamActionName"] = action
        self._write(at, level, shared, contents)

    def _start(  # noqa: PLR0917 (the parts of an entry)
        self,
        at: float,
        number: int,
        parent: int,
        entity: str,
        name: str,
        metadata: Mapping[str, Any] | None,
        handled: str,
    ) -> None:
        shared: dict[str, Any] = {**self._scope, "executionId": self._execution(number)}
        if parent >= 0:
            shared["parentExecutionId"] = self._execution(parent)
        shared["entityType"] = entity
        shared["entityName"] = name
        if metadata:
            shared["entityMetadata"] = dict(metadata)
        self._open[number] = shared, handled
        self._lifecycle(at, number, STARTED, "started", {})

    def _finish(
        self,
        at: float,
        number: int,
        status: str,
        error: BaseException | str | None,
        attributes: Mapping[str, Any],
    ) -> None:
        if number not in self._open:
            return
        if error is not None:
            attributes = {**_described(error), **attributes}
        self._lifecycle(at, number, _TYPES[status], status, dict(attributes))
        del self._open[number]

    def _lifecycle(
        self, at: float, number: int, event_type: str, status: str, attributes: dict[str, Any]
    ) -> None:
        level = self._settings.level_of(event_type)
        if level is EventLogLevel.OFF:
            if number:
                return
            level = EventLogLevel.STANDARD  # readers need the ends of a run
        shared, handled = self._open[number]
        record = dict(shared)
        record["eventId"] = f"{shared['executionId']}-{status}"
        record["eventType"] = event_type
        if handled:
            record["upstreamEventId"] = handled
        record["status"] = status
        if status == "failed":
            record["problemCategory"] = _PROBLEMS.get(shared["entityType"], _OTHER_PROBLEM)
        self._write(at, level, record, attributes)

    def _write(
        self, at: float, level: EventLogLevel, shared: dict[str, Any], contents: dict[str, Any]
    ) -> None:
        if level is EventLogLevel.STANDARD:
            contents = self._settings.truncator.cut(contents)
        record = {
            "timestamp": _timestamp(self._wall + at),
            "logLevel": level.value,
            **shared,
            "eventAttributes": contents,
        }
        self._lines.append(json_text(record) + b"\n")

    def _execution(self, number: int) -> str:
        return f"{self._token}-{number}"


def _timestamp(moment: float) -> str:
    shown = datetime.fromtimestamp(moment, timezone.utc).isoformat(timespec="microseconds")
    return shown.replace("+00:00", "Z")


def json_text(value: Any) -> bytes:
    """JSON, on one line."""
    try:
        return orjson.dumps(value)
    except TypeError:  # integers of more than 64 bits, halves of surrogate pairs
        return json.dumps(value, default=repr).encode()


def key_text(key: bytes) -> str:
    """A key as text: a text as it is, others as JSON."""
    try:
        text = key_to_json(key)
        value = orjson.loads(text)
    except (ValueError, TamiasError):
        return repr(key)
    return value if isinstance(value, str) else text.decode()


def _id_of(origin: AnyOrigin | None) -> str:
    return "" if origin is None else str(event_id(origin))


def _type_of(event: Event) -> str:
    try:
        return event.get_type()
    except BaseException:  # noqa: BLE001 (a property of the user's)
        return type(event).__name__


def _attributes_of(event: Event) -> dict[str, Any]:
    """What an event carries, as plain JSON; what has no JSON form as its `repr`."""
    try:
        attributes = dict(event.attributes)
    except BaseException as error:  # noqa: BLE001 (code of the user's, SystemExit too)
        return {"unreadable": type(error).__name__}
    return {str(name): _plain(value) for name, value in attributes.items()}


def _plain(value: Any) -> Any:
    if value is None or value.__class__ in (str, bool, float):
        return value
    try:
        return orjson.loads(dumps_json(value))
    except BaseException:  # noqa: BLE001, S110 (tried in another way next)
        pass
    try:
        return to_jsonable_python(value, fallback=repr, inf_nan_mode="strings", bytes_mode="base64")
    except BaseException as error:  # noqa: BLE001 (code of the user's, SystemExit too)
        return {"unreadable": f"{type(value).__qualname__}: {type(error).__name__}"}


def _decoded(output: bytes) -> Any:
    """An output as the sink gets it, as far as that is JSON."""
    try:
        value = orjson.loads(output)
    except ValueError:
        return {"unreadable": f"{len(output)} bytes"}
    if isinstance(value, dict) and value.keys() == {"key", "output", "offset"}:
        return value["output"]
    return value


def _described(error: BaseException | str) -> dict[str, Any]:
    """An error as Flink Agents has it: that of the deepest cause that was named."""
    if isinstance(error, str):
        return {"errorMessage": error}
    seen = {id(error)}
    while (cause := cause_of(error)) is not None and id(cause) not in seen:
        error = cause
        seen.add(id(error))
    kind = type(error)
    described = {"errorType": f"{kind.__module__}.{kind.__qualname__}"}
    if message := message_of(error):
        described["errorMessage"] = message
    return described
