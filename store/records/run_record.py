"""Run records: what is needed to execute one run again, to look at it.

That is the input, the outcomes of durable calls and the effects of finished actions (its journal),
and the memory of its key before it. A dead letter has one of its run. Others are in files of JSON
lines, where the option `record` asks for them (`worker.recording`).
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any

from ...agent.errors import StoreCorruptError
from .journal import JournalEntry
from .offsets import offset_of, retries_of

__all__ = ["RunMaterial", "RunRecord"]


@dataclass(slots=True)
class RunMaterial:
    """What a run has found: outcomes of durable calls, and memory.

    Attributes:
        journal: the run's journal records, in order of replay.
        memory: encoded values of the key's short-term memory before the run, by path; None if they
            were not kept.
        is_complete: whether `memory` is all of it; if not, it has what the run has read.
        left_out: what was not kept because it is too large: "journal", "memory".
        questions: the run's questions with their answers, encoded, by token.
    """

    journal: list[JournalEntry] = field(default_factory=list)
    memory: dict[str, bytes] | None = None
    is_complete: bool = False
    left_out: list[str] = field(default_factory=list)
    questions: dict[str, bytes] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON types; empty if there is nothing."""
        found: dict[str, Any] = {}
        if self.journal:
            found["journal"] = [
                [entry.action, entry.kind, entry.index, _text(entry.data)] for entry in self.journal
            ]
        if self.questions:
            found["questions"] = {name: _text(data) for name, data in self.questions.items()}
        if self.memory is not None:
            found["memory"] = {path: _text(data) for path, data in self.memory.items()}
            found["complete"] = self.is_complete
        if self.left_out:
            found["left_out"] = self.left_out
        return found

    @classmethod
    def from_json(cls, number: int, found: dict[str, Any]) -> RunMaterial:
        """Inverse of `to_json`; `number` is the run's.

        Raises:
            StoreCorruptError: it is something else.
        """
        try:
            memory = found.get("memory")
            return cls(
                [
                    JournalEntry(number, action, kind, index, _bytes(data))
                    for action, kind, index, data in found.get("journal", ())
                ],
                None if memory is None else {path: _bytes(memory[path]) for path in memory},
                bool(found.get("complete")),
                list(found.get("left_out", ())),
                {name: _bytes(data) for name, data in found.get("questions", {}).items()},
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreCorruptError(f"The record of a run cannot be read: {error}.") from error


@dataclass(slots=True)
class RunRecord:
    """One run, with all that is needed to execute it again.

    Attributes:
        number: its number (`offsets`), without the bit of owned ones.
        key: its encoded key.
        payload: its input, encoded as `codec` says; of a timer, the event.
        codec: see `DeadLetter.codec`.
        at: when it ended, in seconds since the epoch.
        generation: the generation that has executed it.
        status: "succeeded" or "failed".
        error: the error in one line; empty if it succeeded.
        action: the action that failed.
        origin: of a timer, the offset of the input that it goes back to, if there is one.
        material: what it has found.
    """

    number: int
    key: bytes
    payload: bytes
    codec: str
    at: float
    generation: int
    status: str
    error: str = ""
    action: str | None = None
    origin: int | None = None
    material: RunMaterial = field(default_factory=RunMaterial)

    @property
    def offset(self) -> int:
        """The position of its input; of a run without an input, its whole number."""
        return offset_of(self.number)

    @property
    def retry(self) -> int:
        """How often it was retried from the dead letters before."""
        return retries_of(self.number)

    def encode(self) -> bytes:
        """Return it as a line of JSON."""
        found = {
            "offset": self.offset,
            "number": self.number,
            "key": self.key.hex(),
            "status": self.status,
            "error": self.error,
            "action": self.action,
            "at": self.at,
            "generation": self.generation,
            "origin": self.origin,
            "codec": self.codec,
            "payload": _text(self.payload),
            **self.material.to_json(),
        }
        return json.dumps(found, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> RunRecord:
        """Inverse of `encode`.

        Raises:
            StoreCorruptError: the line is something else, or cut short.
        """
        try:
            found = json.loads(line)
            return cls(
                number=found["number"],
                key=bytes.fromhex(found["key"]),
                payload=_bytes(found["payload"]),
                codec=found["codec"],
                at=found["at"],
                generation=found["generation"],
                status=found["status"],
                error=found["error"],
                action=found["action"],
                origin=found["origin"],
                material=RunMaterial.from_json(found["number"], found),
            )
        except (ValueError, TypeError, KeyError) as error:
            raise StoreCorruptError(f"A recorded run cannot be read: {error}.") from error


def _text(data: bytes) -> str:
    return binascii.b2a_base64(data, newline=False).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
