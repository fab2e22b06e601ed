"""Dead letters: inputs that failed for good, with all that is known of the reason.

They are stored under the input's offset as one JSON header line and the payload's bytes. So headers
can be listed and searched without the payload, which only the agent's own environment can load.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args

from ...agent.errors import StoreCorruptError

__all__ = ["CAUSES", "Cause", "DeadLetter"]

Cause = Literal[
    "exception", "crash", "timeout", "memory", "bad-input", "unserializable", "divergence"
]
"""Why an input failed for good."""
CAUSES: Final[tuple[str, ...]] = get_args(Cause)


@dataclass(slots=True)
class DeadLetter:
    """One input that failed for good.

    Attributes:
        offset: the input's position.
        key: its encoded key (`keys.encode_key`); empty if it has none.
        payload: its value, encoded as `codec` says.
        codec: how the source encoded the payload: "pickle", "json-object" or "json-value".
        cause: "exception" of an action, "crash" of the worker, "timeout", "memory" limit exceeded,
            "bad-input" that could not be read, "unserializable" output or memory, "divergence"
            of a replay from its record.
        attempts: how often it was tried.
        error: the error, in one line.
        traceback: the user's traceback; empty if there is none.
        action: name of the action that failed, if known.
        signal: number of the signal that ended the worker, if one did.
        stacks: dump of the worker's stacks when it was stopped; empty if there is none.
        worker_pid: process in which the last attempt ran, 0 if none.
        at: seconds since the epoch.
        retries: how often it was retried from the dead letters, and failed again.
        generation: the generation of the worker that recorded it.
        recorded_by: the generation that had begun the run, if that is why it diverged.
        recorded: the journal of the run then, a line for each call and action. The journal
            itself has been deleted.
        attempts_errors: the errors of all attempts at the run, and at the durable call that gave
            up: mappings of "at" (seconds since the epoch), "error", "of" (the action or call).
        origin: of a timer, the offset of the input that it goes back to, if there is one.
        record: what the run has found (`RunMaterial.to_json`), as far as it was kept.
    """

    offset: int
    key: bytes
    payload: bytes
    codec: str
    cause: Cause
    attempts: int = 1
    error: str = ""
    traceback: str = ""
    action: str | None = None
    signal: int | None = None
    stacks: str = ""
    worker_pid: int = 0
    at: float = 0.0
    retries: int = 0
    generation: int = 0
    recorded_by: int | None = None
    recorded: list[str] = field(default_factory=list)
    origin: int | None = None
    attempts_errors: list[dict[str, Any]] = field(default_factory=list)
    record: dict[str, Any] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Return the stored form."""
        header = {column.name: getattr(self, column.name) for column in fields(self)}
        del header["payload"]
        header["key"] = self.key.hex()
        return json.dumps(header).encode() + b"\n" + self.payload

    @classmethod
    def decode(cls, data: bytes) -> DeadLetter:
        """Rebuild a dead letter from its stored form; fields of later versions are ignored.

        Raises:
            StoreCorruptError: `data` is not a dead letter.
        """
        head, newline, payload = data.partition(b"\n")
        try:
            header: dict[str, Any] = json.loads(head)
            known = {
                column.name: header[column.name] for column in fields(cls) if column.name in header
            }
            return cls(**{**known, "key": bytes.fromhex(header["key"]), "payload": payload})
        except (ValueError, TypeError, KeyError) as error:
            raise StoreCorruptError(
                f"A dead letter cannot be read ({error}){'' if newline else ': it is cut short'}. "
                "Restore the state directory from a copy."
            ) from error
